"""Runs a comparison: for each repeat and scenario every balancer in turn, each in a fresh lab with the same plan."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..balancers.selection import Choice
from ..errors import BadArgumentsError, EnvironmentProblemError, LabError
from ..evidence.progress import Progress
from ..evidence.record import RunRecord, load_run
from ..evidence.results import new_run_dir
from ..processes.readiness import Answer, advice
from ..run.experiment import LEAD_S, run_experiment
from ..runtime import Say
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from .client_costs import measure, spoiled
from .cpu_time import CpuMeter
from .document import Comparison, Result, label
from .environment import Stage, Standing

_LB: Final = re.compile("^lb(?= )")
"""What the supervisor calls whatever balances."""
_ALL_THREE: Final = "it has to forward to all three backends, /whoami included (docs/peers.md)"
TRIES: Final = 2
"""A run that a busy host spoiled is repeated once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A balancer with its settings, as one row of each scenario."""

    choice: Choice
    settings: str
    problem: Result | None = None
    """Known before any run: the program is not here."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One run to do."""

    entry: Entry
    plan: Plan
    repeat: int


class _Started(Progress):
    """Notes when the run's axis began."""

    zero = 0.0

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """t = 0 is `LEAD_S` after traffic was told to go."""
        self.zero = time.monotonic() + LEAD_S


def turns(entries: Sequence[Entry], plans: Sequence[Plan], repeats: Sequence[int]) -> Iterator[Turn]:
    """Interleaved: what the machine does at one time meets all balancers alike. Each round starts with another one."""
    for repeat in repeats:
        for plan in plans:
            shift = repeat % len(entries)
            for entry in [*entries[shift:], *entries[:shift]]:
                yield Turn(entry, plan, repeat)


def hold(comparison: Comparison, schedule: Iterator[Turn], folder: Path, stage: Stage, say: Say) -> None:
    """Run all turns; after each one the comparison is on disk. Raises only what ends the whole: Ctrl-C, a full disk."""
    refused: dict[str, Result] = {}
    for turn in schedule:
        row = label(turn.entry.choice.name, turn.entry.settings)
        known = refused.get(row) or turn.entry.problem
        result = _as(known, turn) if known else _settled(turn, folder, stage)
        if result.status in {"rejected", "failed"} and not result.folder:
            refused[row] = result  # it will not start the next time either
        comparison.results.append(result)
        comparison.write(folder)
        say(f"{turn.plan.scenario} · {row} · {turn.repeat + 1}: {_words(result)}")


def _settled(turn: Turn, folder: Path, stage: Stage) -> Result:
    result = _once(turn, folder, stage)
    for _ in range(TRIES - 1):
        if result.status != "spoiled":
            break
        result = _once(turn, folder, stage)
    return result


def _once(turn: Turn, folder: Path, stage: Stage) -> Result:
    empty = Result(turn.entry.choice.name, turn.entry.settings, turn.plan.scenario, turn.repeat, "failed")
    try:
        with stage.lab(turn.entry.choice) as standing:
            return _run(turn.plan, standing, folder, empty)
    except BadArgumentsError:
        raise
    except LabError as error:
        status = "rejected" if "rejects its configuration" in str(error) else "failed"
        reason = _LB.sub(turn.entry.choice.name, str(error))
        return replace(empty, status=status, reason=reason, next_step=error.next_step, details=tuple(error.details))


def _run(plan: Plan, standing: Standing, folder: Path, empty: Result) -> Result:
    endpoints = standing.endpoints
    run_dir = new_run_dir(folder, f"{empty.balancer}-{empty.settings}-{plan.scenario}")
    placed = replace(empty, folder=run_dir.name)
    meter, started = CpuMeter(endpoints.balancer_pid), _Started()
    try:
        asyncio.run(_measured(plan, endpoints, run_dir, meter, started))
    except EnvironmentProblemError as error:
        if not standing.ended():
            step = _ALL_THREE if "unseen" in str(error) or "forwards no request" in str(error) else error.next_step
            words = tuple(error.details) or standing.last_words()
            return replace(placed, reason=str(error), next_step=advice(Answer(), "", words) or step, details=words)
    run = load_run(run_dir)
    cpu_s = meter.between(started.zero + plan.warm_up_s, started.zero + _last_due(run))
    # One that ended before any traffic has no numbers: none of them failed would be untrue.
    result = replace(placed, status="ok", measures=measure(run, cpu_s) if run.measured else None)
    if how := standing.ended():
        return replace(result, status="died", reason=how, details=standing.last_words())
    reason = spoiled(run) or standing.moved()
    return replace(result, status="spoiled", reason=reason) if reason else result


async def _measured(plan: Plan, endpoints: Endpoints, run_dir: Path, meter: CpuMeter, started: _Started) -> None:
    sampling = asyncio.create_task(meter.run()) if endpoints.balancer_pid else None
    try:
        await run_experiment(plan, endpoints, run_dir, started)
    finally:
        if sampling is not None:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)


def _last_due(run: RunRecord) -> float:
    return max((request.due for request in run.measured), default=0.0)


def _as(known: Result, turn: Turn) -> Result:
    entry = turn.entry
    return replace(
        known, balancer=entry.choice.name, settings=entry.settings, scenario=turn.plan.scenario, repeat=turn.repeat
    )


def _words(result: Result) -> str:
    if result.measures is None:
        return f"{result.status}: {result.reason}"
    told = result.measures
    reroute = "–" if told.reroute_s is None else f"{told.reroute_s:.2f} s"
    return f"{result.status}, {told.failed} failed, {told.slow} slow, reroute {reroute}" + (
        f" ({result.reason})" if result.reason else ""
    )
