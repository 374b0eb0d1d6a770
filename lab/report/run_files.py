"""A run as its files tell it. Anything may be missing or cut short: what could not be read is said, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from ..evidence.events import Event, Events, read_events
from ..evidence.history import History, Outcome, Request, read_history
from ..evidence.verdict import Check, FaultResult, RunVerdict, Verdict, worst
from ..scenario.plan import Plan

T = TypeVar("T")
NO_BACKEND = ""
"""The lane of requests that no backend is known to have seen."""
DEFAULT_SLOW_S = 0.25
"""Where the plan names no threshold; the one the comparison of balancers uses."""
FILES = ("verdict.json", "plan.json", "history.jsonl", "events.jsonl")
"""What makes a folder the folder of a run: at least one of these."""


class Look(StrEnum):
    """How a request is drawn, from best to worst."""

    OK = "ok"
    SLOW = "slow"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(slots=True)
class Run:
    """Everything a report shows, read from one results folder."""

    folder: str = ""
    plan: Plan | None = None
    verdict: RunVerdict | None = None
    requests: list[Request] = field(default_factory=list)
    """In order of the time they were due."""
    events: Events = field(default_factory=lambda: Events(()))
    faults: tuple[FaultResult, ...] = ()
    problems: list[str] = field(default_factory=list)
    """What is missing, damaged or remarkable about the record, one sentence each."""
    damage: list[str] = field(default_factory=list)
    """Those of the problems that are in the files themselves: with any of them there is no pass."""
    names: dict[str, str] = field(default_factory=dict)
    """The balancer's backend ids → the name of the replica behind each."""

    @property
    def word(self) -> Verdict:
        """A run that was never judged is unknown, and so is a pass whose evidence is no longer whole."""
        if self.verdict is None:
            return Verdict.UNKNOWN
        return worst([self.verdict.verdict, Verdict.UNKNOWN]) if self.damage else self.verdict.verdict

    @property
    def scenario(self) -> str:
        """The scenario's name, from the verdict or else the plan."""
        source = self.verdict or self.plan
        return source.scenario if source else "unknown scenario"

    @property
    def checks(self) -> list[Check]:
        """The checks, worst first (of an unknown run what makes it so: a fail counts for nothing there), those that
        were asked nothing last; one more where the files were damaged after they had been judged."""
        first = [Verdict.FAIL, Verdict.UNKNOWN]
        order = [*(reversed(first) if self.word is Verdict.UNKNOWN else first), Verdict.PASS]
        return sorted(
            [*self._judged(), *self._damaged()], key=lambda check: (not check.asserted, order.index(check.verdict))
        )

    def _judged(self) -> tuple[Check, ...]:
        return self.verdict.checks if self.verdict else ()

    def _damaged(self) -> list[Check]:
        known = any(c.name == "completeness" and c.verdict is Verdict.UNKNOWN for c in self._judged())
        if self.verdict is None or known or not self.damage:
            return []
        return [Check("record", Verdict.UNKNOWN, " ".join(self.damage))]

    @property
    def slow_s(self) -> float:
        """From how many seconds on an answer is slow."""
        return self.plan.load.slow_s if self.plan else DEFAULT_SLOW_S

    @property
    def warm_up_s(self) -> float:
        """Requests due earlier than this (seconds) are drawn but not judged."""
        return self.plan.warm_up_s if self.plan else 0.0

    @property
    def end(self) -> float:
        """The last moment anything is known of, seconds; at least 1."""
        return max([1.0, *(r.ended or r.due for r in self.requests), *(e.t for e in self.events.all)])

    def look(self, request: Request) -> Look:
        """A missing outcome is unknown: the request may have happened."""
        if request.outcome is Outcome.OK:
            return Look.SLOW if request.is_slow(self.slow_s) else Look.OK
        return Look.FAILED if request.outcome is Outcome.FAIL else Look.UNKNOWN

    def lane(self, request: Request) -> str:
        """The replica that answered, else the last one tried, else `NO_BACKEND`."""
        backend = request.backend or (request.tried[-1] if request.tried else NO_BACKEND)
        return self.names.get(backend, backend)

    def left_behind(self, request: Request) -> list[str]:
        """Replicas that the request was sent to and that did not answer it."""
        tried = [self.names.get(backend, backend) for backend in request.tried]
        return [name for name in dict.fromkeys(tried) if name != self.lane(request)]


def is_run(folder: Path) -> bool:
    """Whether `folder` holds anything of a run."""
    return any((folder / name).is_file() for name in FILES)


def load(run_dir: Path) -> Run:
    """Read what there is in `run_dir`. Raises FileNotFoundError only when there is nothing of a run in it."""
    if not is_run(run_dir):
        raise FileNotFoundError(f"{run_dir} is not the folder of a run")
    run = Run(folder=run_dir.resolve().name)
    run.plan = _read(run_dir / "plan.json", lambda path: Plan.from_json(path.read_text("utf-8")), run.damage)
    run.verdict = _read(
        run_dir / "verdict.json", lambda path: RunVerdict.from_json(path.read_text("utf-8")), run.damage
    )
    history = _read(run_dir / "history.jsonl", read_history, run.damage)
    events = _read(run_dir / "events.jsonl", read_events, run.damage)
    run.damage += _cut_short(run, history, events)
    history, run.events = history or History([]), events or Events(())
    run.requests = sorted(history.requests, key=lambda request: request.due)
    run.damage += _summed_up(history.defects) + _summed_up(run.events.defects)
    run.problems = run.damage + _remarks(run.events)
    run.names = _names(run)
    run.faults = run.verdict.faults if run.verdict else _faults_seen(run.events)
    return run


def _read(path: Path, reader: Callable[[Path], T], problems: list[str]) -> T | None:
    try:
        return reader(path)
    except FileNotFoundError:
        problems.append(f"{path.name} is missing: the run ended before it was written.")
    except (OSError, ValueError, AttributeError) as error:  # the last one: JSON, but of another shape
        problems.append(f"{path.name} cannot be read: {error}.")
    return None


def _cut_short(run: Run, history: History | None, events: Events | None) -> list[str]:
    """A file that ends between two lines has no damaged one; but the verdict knows what it was based on."""
    found = []
    if run.verdict and run.plan and history and not history.defects:
        had, has = run.verdict.requests.total, sum(request.due >= run.warm_up_s for request in history.requests)
        open_ended = sum(request.outcome is None for request in history.requests)
        if has < had:
            found.append(f"history.jsonl is cut short: {has:,} requests after the warm-up, but {had:,} were judged.")
        elif open_ended:
            found.append(f"history.jsonl is cut short: {open_ended:,} requests have no outcome.")
    if run.verdict and events and not events.defects and not events.all:
        found.append("events.jsonl is empty.")
    return found


def _summed_up(defects: tuple[str, ...]) -> list[str]:
    """The first defect in full; a file that is damaged everywhere must not fill the page."""
    if not defects:
        return []
    more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
    return [f"{defects[0]}{more}."]


def _remarks(events: Events) -> list[str]:
    """What the lab itself noted about the record while it was made."""
    noted = {"interrupted": "The run was interrupted", "ledger_missing": "The backends' ledgers could not be read"}
    return [f"{noted[e.type]}: {e.data.get('reason')}." for e in events.of("lab", *noted)]


def fault_record(event: Event) -> Mapping[str, Any]:
    """The record of the fault that an event of the chaos service is about."""
    record = event.data.get("fault")
    return record if isinstance(record, Mapping) else event.data


def _names(run: Run) -> dict[str, str]:
    """Ids are addresses on some runtimes and instances container ids: people know a replica by its target's name."""
    instances = {r.backend: r.instance for r in run.requests if r.backend and r.instance}
    targets: dict[str, str] = {}
    for event in run.events.of("lab", "targets"):
        for name, known in event.data.get("targets", {}).items():
            targets |= dict.fromkeys([known.get("instance", name), *known.get("backends", ())], name)
    for fault in run.verdict.faults if run.verdict else ():
        targets |= dict.fromkeys(fault.backends, fault.target)
    return targets | {backend: targets.get(instance, instance) for backend, instance in instances.items()}


def _faults_seen(events: Events) -> tuple[FaultResult, ...]:
    """Without a verdict: the faults as far as the chaos service reported them."""
    healed = {fault_record(event).get("id"): event.t for event in events.of("chaos", "fault_healed")}
    return tuple(_fault_seen(event, healed) for event in events.of("chaos", "fault_injected"))


def _fault_seen(event: Event, healed: Mapping[Any, float]) -> FaultResult:
    record = fault_record(event)
    kind, target, mechanism = (str(record.get(name) or "") for name in ("kind", "target", "mechanism"))
    return FaultResult(kind, target, mechanism, event.t, healed.get(record.get("id")), None, None, None, None, None)
