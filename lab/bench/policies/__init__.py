"""`lab bench policies`: every policy in every scenario, by simulation of the real balancer core, beside theory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import BadArgumentsError
from .bench_record import Bench, Cell, Cost, Disruption, Document, Scenario
from .page import page
from .simulator import Simulator
from .table import markdown

Heard = Callable[[Document], None]
"""Told of every finding when it is made; called from several threads."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compare. Empty names mean all."""

    scenarios: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    seeds: int = 3
    scale: float = 1.0
    """How many times as long as usual steady scenarios are measured."""
    jobs: int = 1
    """Simulations at once, a process each."""

    @property
    def command(self) -> str:
        """The command line that asks for this."""
        names = [f" --scenario {name}" for name in self.scenarios] + [f" --policy {name}" for name in self.policies]
        return f"lab bench policies{''.join(names)} --seeds {self.seeds} --scale {self.scale:g}"


def names() -> tuple[list[str], list[str]]:
    """The scenarios and the policies that there are."""
    with Simulator() as simulator:
        return simulator.names()


def run(wanted: Wanted, heard: Heard = lambda _: None) -> Bench:
    """Simulate. Raises `BadArgumentsError` for names and numbers that make no sense."""
    with Simulator() as simulator:
        scenarios, policies = simulator.names()
        _known("scenario", wanted.scenarios, scenarios)
        _known("policy", wanted.policies, policies)
        return _bench(wanted, _simulate(simulator, wanted, wanted.scenarios or tuple(scenarios), heard))


def write(bench: Bench, folder: Path) -> list[Path]:
    """`bench.json`, `report.html` and `table.md`, into a folder that is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "bench.json": bench.model_dump_json(by_alias=True, indent=1) + "\n",
        "report.html": page(bench),
        "table.md": markdown(bench),
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _simulate(simulator: Simulator, wanted: Wanted, scenarios: Sequence[str], heard: Heard) -> list[Document]:
    common = [part for name in wanted.policies for part in ("--policy", name)]
    common += ["--seeds", str(wanted.seeds), "--scale", str(wanted.scale)]

    def listen(*arguments: str) -> list[Document]:
        found = []
        for document in simulator.documents(*arguments):
            heard(document)
            found.append(document)
        return found

    with ThreadPoolExecutor(wanted.jobs) as pool:
        try:
            runs = [pool.submit(listen, "run", "--scenario", name, *common) for name in scenarios]
            runs.append(pool.submit(listen, "keys"))
            found = [document for each in runs for document in each.result()]
        except BaseException:
            simulator.close()  # else the pool would wait for the simulations to end by themselves
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found + listen("cost")  # alone: it is timed


def _bench(wanted: Wanted, found: Sequence[Document]) -> Bench:
    chosen = set(wanted.policies)
    return Bench(
        schema=1,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        command=wanted.command,
        seeds=wanted.seeds,
        scale=wanted.scale,
        scenarios=tuple(d for d in found if isinstance(d, Scenario)),
        cells=tuple(d for d in found if isinstance(d, Cell)),
        disruption=tuple(d for d in found if isinstance(d, Disruption) and (not chosen or d.policy in chosen)),
        cost=tuple(d for d in found if isinstance(d, Cost) and (not chosen or d.policy in chosen)),
    )


def _known(noun: str, asked: Sequence[str], known: Sequence[str]) -> None:
    for name in asked:
        if name not in known:
            raise BadArgumentsError(f"unknown {noun} {name!r}", f"one of: {', '.join(known)}")
