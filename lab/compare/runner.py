"""Runs a comparison: in each repeat, every scenario with every balancer, each in a fresh lab with the same plan."""

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
from ..report.host_disturbance import host_stalls
from ..run.experiment import LEAD_S, run_experiment
from ..runtime import Say
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from .cpu_time import CpuMeter
from .document import Comparison, Result, label
from .environment import Environment, RunningBalancer
from .measures import measure, spoiled

_LB: Final = re.compile("^lb(?= )")
"""Name of the balancer in the supervisor's messages."""
_ALL: Final = "it must forward to all backends of the lab, /whoami included (docs/peers.md)"
TRIES: Final = 2
"""Attempts at a run: a run that a busy host spoiled is repeated once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A balancer with its settings: one row in each scenario."""

    choice: Choice
    settings: str
    named: bool = False
    """Whether the user named it with `--entry`."""
    problem: Result | None = None
    """Result to record for each of its runs if it cannot run, for example because the program is missing."""


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """One run in the schedule."""

    entry: Entry
    plan: Plan
    repeat: int


class _Started(Progress):
    """Records when the run's time axis began."""

    zero = 0.0

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Set t = 0, which is `LEAD_S` after the order to start traffic."""
        self.zero = time.monotonic() + LEAD_S


def schedule(entries: Sequence[Entry], plans: Sequence[Plan], repeats: Sequence[int]) -> Iterator[ScheduledRun]:
    """Yield all runs interleaved, so that other load on the machine affects all balancers equally.

    Each repeat starts with a different balancer.
    """
    for repeat in repeats:
        for plan in plans:
            shift = repeat % len(entries)
            for entry in [*entries[shift:], *entries[:shift]]:
                yield ScheduledRun(entry, plan, repeat)


def run_all(
    comparison: Comparison, schedule: Iterator[ScheduledRun], folder: Path, environment: Environment, say: Say
) -> None:
    """Execute all runs, and write the comparison to disk after each.

    Raise only errors that end the whole comparison, such as Ctrl-C or a full disk.
    """
    refused: dict[str, Result] = {}
    for scheduled in schedule:
        row = label(scheduled.entry.choice.name, scheduled.entry.settings)
        known = refused.get(row) or scheduled.entry.problem
        result = _as(known, scheduled) if known else _run_valid(scheduled, folder, environment)
        if result.status in {"rejected", "failed"} and not result.folder:
            refused[row] = result  # the next run would be refused for the same reason
        comparison.results.append(result)
        comparison.write(folder)
        say(f"{scheduled.plan.scenario} · {row} · {scheduled.repeat + 1}: {_outcome(result)}")


def _run_valid(scheduled: ScheduledRun, folder: Path, environment: Environment) -> Result:
    result = _run_once(scheduled, folder, environment)
    for _ in range(TRIES - 1):
        if result.status != "spoiled":
            break
        result = _run_once(scheduled, folder, environment)
    return result


def _run_once(scheduled: ScheduledRun, folder: Path, environment: Environment) -> Result:
    empty = Result(
        scheduled.entry.choice.name, scheduled.entry.settings, scheduled.plan.scenario, scheduled.repeat, "failed"
    )
    try:
        with environment.lab(scheduled.entry.choice) as balancer:
            return _run(balancer.adapt(scheduled.plan), balancer, folder, empty)
    except BadArgumentsError:
        raise
    except LabError as error:
        status = "rejected" if "rejects its configuration" in str(error) else "failed"
        reason = _LB.sub(scheduled.entry.choice.name, str(error))
        return replace(empty, status=status, reason=reason, next_step=error.next_step, details=tuple(error.details))


def _run(plan: Plan, balancer: RunningBalancer, folder: Path, empty: Result) -> Result:
    endpoints = balancer.endpoints
    run_dir = new_run_dir(folder, f"{empty.balancer}-{empty.settings}-{plan.scenario}")
    placed = replace(empty, folder=run_dir.name)
    meter, started = CpuMeter(endpoints.balancer_pid), _Started()
    try:
        asyncio.run(_measured(plan, endpoints, run_dir, meter, started))
    except EnvironmentProblemError as error:
        if not balancer.ended():
            step = _ALL if "unseen" in str(error) or "forwards no request" in str(error) else error.next_step
            words = tuple(error.details) or balancer.log_tail()
            return replace(placed, reason=str(error), next_step=advice(Answer(), "", words) or step, details=words)
    run = load_run(run_dir)
    cpu_s = meter.between(started.zero + plan.warm_up_s, started.zero + _last_due(run))
    # A balancer that ended before any traffic has no numbers: "0 failed" would be wrong.
    result = replace(
        placed,
        status="ok",
        measures=measure(run, cpu_s) if run.measured else None,
        host_busy_s=round(host_stalls(run.events).total_s, 3),
    )
    if how := balancer.ended():
        return replace(result, status="died", reason=how, details=balancer.log_tail())
    reason = spoiled(run) or balancer.address_change()
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


def _as(known: Result, scheduled: ScheduledRun) -> Result:
    entry = scheduled.entry
    return replace(
        known,
        balancer=entry.choice.name,
        settings=entry.settings,
        scenario=scheduled.plan.scenario,
        repeat=scheduled.repeat,
    )


def _outcome(result: Result) -> str:
    if result.measures is None:
        return f"{result.status}: {result.reason}"
    found = result.measures
    reroute = "–" if found.reroute_s is None else f"{found.reroute_s:.2f} s"
    return f"{result.status}, {found.failed} failed, {found.slow} slow, reroute {reroute}" + (
        f" ({result.reason})" if result.reason else ""
    )
