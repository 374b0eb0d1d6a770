"""A run as reports show it, from its files. If files are missing or cut short, the reports say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ..evidence.events import Event, Events
from ..evidence.history import History, Outcome, Request
from ..evidence.run_folder import is_run_folder, read_run_folder
from ..evidence.verdict import Check, FaultResult, RunVerdict, Verdict, worst
from ..scenario.plan import Plan

NO_BACKEND = ""
"""The lane of requests that reached no known backend."""
DEFAULT_SLOW_S = 0.25
"""Threshold of slow responses in seconds if the plan cannot be read: the default of scenarios."""


class OutcomeClass(StrEnum):
    """Class of a request in reports, from best to worst."""

    OK = "ok"
    SLOW = "slow"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(slots=True)
class Run:
    """Everything that a report shows of one run."""

    folder: str = ""
    plan: Plan | None = None
    verdict: RunVerdict | None = None
    requests: list[Request] = field(default_factory=list)
    """All requests in order of due time."""
    events: Events = field(default_factory=lambda: Events(()))
    faults: tuple[FaultResult, ...] = ()
    problems: list[str] = field(default_factory=list)
    """One sentence for each missing or damaged part of the record, and for each problem noted during the run."""
    damage: list[str] = field(default_factory=list)
    """The problems of the files themselves. With any of them, the run is never `pass`."""
    names: dict[str, str] = field(default_factory=dict)
    """Target names by backend id."""

    @property
    def final_verdict(self) -> Verdict:
        """The verdict, or `unknown` if the run was never judged, or passed but has damaged files now."""
        if self.verdict is None:
            return Verdict.UNKNOWN
        return worst([self.verdict.verdict, Verdict.UNKNOWN]) if self.damage else self.verdict.verdict

    @property
    def scenario(self) -> str:
        """The scenario's name, from the verdict or the plan."""
        source = self.verdict or self.plan
        return source.scenario if source else "unknown scenario"

    @property
    def checks(self) -> list[Check]:
        """The checks, worst first, and those that were not asserted last.

        In an unknown run, the unknown checks come first, because failed ones do not count there. If files were damaged
        after the run was judged, there is an additional check `record`.
        """
        first = [Verdict.FAIL, Verdict.UNKNOWN]
        order = [*(reversed(first) if self.final_verdict is Verdict.UNKNOWN else first), Verdict.PASS]
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
        """Latency in seconds above which good responses are slow."""
        return self.plan.load.slow_s if self.plan else DEFAULT_SLOW_S

    @property
    def warm_up_s(self) -> float:
        """Duration of the warm-up in seconds. Requests due in it are drawn but not judged."""
        return self.plan.warm_up_s if self.plan else 0.0

    @property
    def end(self) -> float:
        """Time of the last recorded event or request, seconds; at least 1."""
        return max([1.0, *(r.ended or r.due for r in self.requests), *(e.t for e in self.events.all)])

    def classify(self, request: Request) -> OutcomeClass:
        """Return the class of a request; without an outcome it is unknown, because it may have been executed."""
        if request.outcome is Outcome.OK:
            return OutcomeClass.SLOW if request.is_slow(self.slow_s) else OutcomeClass.OK
        return OutcomeClass.FAILED if request.outcome is Outcome.FAIL else OutcomeClass.UNKNOWN

    def lane(self, request: Request) -> str:
        """Return the name of the backend that answered, or of the last one tried, or `NO_BACKEND`."""
        backend = request.backend or (request.tried[-1] if request.tried else request.instance) or NO_BACKEND
        return self.names.get(backend, backend)

    def also_tried(self, request: Request) -> list[str]:
        """Return the names of the backends that the request was sent to besides its lane."""
        tried = [self.names.get(backend, backend) for backend in request.tried]
        return [name for name in dict.fromkeys(tried) if name != self.lane(request)]


def load(run_dir: Path) -> Run:
    """Return what can be read of the run in `run_dir`. Raise FileNotFoundError if it has no file of a run."""
    if not is_run_folder(run_dir):
        raise FileNotFoundError(f"{run_dir} is not the folder of a run")
    files = read_run_folder(run_dir)
    run = Run(run_dir.resolve().name, files.plan, files.verdict)
    run.damage = [_problem(each) for each in files.problems.values()] + _cut_short(run, files.history, files.events)
    history, run.events = files.history or History([]), files.events or Events(())
    run.requests = sorted(history.requests, key=lambda request: request.due)
    run.damage += _first_of(history.defects) + _first_of(run.events.defects)
    run.problems = run.damage + _remarks(run.events)
    run.names = _names(run)
    run.faults = run.verdict.faults if run.verdict else _faults_seen(run.events)
    return run


def _problem(clause: str) -> str:
    return f"{clause}: the run ended before it was written." if clause.endswith("is missing") else f"{clause}."


def _cut_short(run: Run, history: History | None, events: Events | None) -> list[str]:
    """Return a sentence for each file that has lost whole lines since the run was judged."""
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


def _first_of(defects: tuple[str, ...]) -> list[str]:
    """Return a sentence with the first defect and the number of the others, because a list could fill the page."""
    if not defects:
        return []
    more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
    return [f"{defects[0]}{more}."]


def _remarks(events: Events) -> list[str]:
    """Return a sentence for each problem that the lab recorded during the run."""
    texts = {"interrupted": "The run was interrupted", "ledger_missing": "The backends' ledgers could not be read"}
    return [f"{texts[e.type]}: {e.data.get('reason')}." for e in events.of("lab", *texts)]


def fault_record(event: Event) -> Mapping[str, Any]:
    """Return the record of the fault that an event of the chaos service concerns."""
    record = event.data.get("fault")
    return record if isinstance(record, Mapping) else event.data


def _names(run: Run) -> dict[str, str]:
    """Return target names by backend id. Reports show these, because ids may be addresses."""
    instances = {r.backend: r.instance for r in run.requests if r.backend and r.instance}
    targets: dict[str, str] = {}
    for event in run.events.of("lab", "targets"):
        for name, known in event.data.get("targets", {}).items():
            targets |= dict.fromkeys([known.get("instance", name), *known.get("backends", ())], name)
    for fault in run.verdict.faults if run.verdict else ():
        targets |= dict.fromkeys(fault.backends, fault.target)
    return targets | {backend: targets.get(instance, instance) for backend, instance in instances.items()}


def _faults_seen(events: Events) -> tuple[FaultResult, ...]:
    """Return the faults that the chaos service reported, for a run without a verdict."""
    healed = {fault_record(event).get("id"): event.t for event in events.of("chaos", "fault_healed")}
    return tuple(_fault_seen(event, healed) for event in events.of("chaos", "fault_injected"))


def _fault_seen(event: Event, healed: Mapping[Any, float]) -> FaultResult:
    record = fault_record(event)
    kind, target, mechanism = (str(record.get(name) or "") for name in ("kind", "target", "mechanism"))
    return FaultResult(kind, target, mechanism, event.t, healed.get(record.get("id")), None, None, None, None, None)
