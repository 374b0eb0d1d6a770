"""`lab bench policies`: every policy in every scenario, simulated with the real core and compared with theory."""

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

OnDocument = Callable[[Document], None]
"""Called with each document of the simulator as it arrives, from several threads."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to compare. Empty tuples mean all."""

    scenarios: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    seeds: int = 3
    scale: float = 1.0
    """Factor by which the measured time of steady scenarios is multiplied."""
    jobs: int = 1
    """Number of simulations that run at the same time, each in its own process."""

    @property
    def command(self) -> str:
        """The command line with these settings."""
        names = [f" --scenario {name}" for name in self.scenarios] + [f" --policy {name}" for name in self.policies]
        return f"lab bench policies{''.join(names)} --seeds {self.seeds} --scale {self.scale:g}"


def names() -> tuple[list[str], list[str]]:
    """Return the names of all scenarios and all policies."""
    with Simulator() as simulator:
        return simulator.names()


def run(wanted: Wanted, on_document: OnDocument = lambda _: None) -> Bench:
    """Run all simulations. Raise `BadArgumentsError` for unknown names and invalid numbers."""
    with Simulator() as simulator:
        scenarios, policies = simulator.names()
        _known("scenario", wanted.scenarios, scenarios)
        _known("policy", wanted.policies, policies)
        return _bench(wanted, _simulate(simulator, wanted, wanted.scenarios or tuple(scenarios), on_document))


def write(bench: Bench, folder: Path) -> list[Path]:
    """Write `bench.json`, `report.html` and `table.md` into `folder`, creating it if needed; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "bench.json": bench.model_dump_json(by_alias=True, indent=1) + "\n",
        "report.html": page(bench),
        "table.md": markdown(bench),
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name in contents]


def _simulate(
    simulator: Simulator, wanted: Wanted, scenarios: Sequence[str], on_document: OnDocument
) -> list[Document]:
    common = [part for name in wanted.policies for part in ("--policy", name)]
    common += ["--seeds", str(wanted.seeds), "--scale", str(wanted.scale)]

    def listen(*arguments: str) -> list[Document]:
        found = []
        for document in simulator.documents(*arguments):
            on_document(document)
            found.append(document)
        return found

    with ThreadPoolExecutor(wanted.jobs) as pool:
        try:
            runs = [pool.submit(listen, "run", "--scenario", name, *common) for name in scenarios]
            runs.append(pool.submit(listen, "keys"))
            found = [document for each in runs for document in each.result()]
        except BaseException:
            simulator.close()  # otherwise the pool would wait until the simulations end
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found + listen("cost")  # without other simulations, because it measures time


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
