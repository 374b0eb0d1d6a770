"""The record of one run, joined from the files of its folder: the input of all checkers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadArgumentsError
from ..scenario.expectations import Expect
from ..scenario.plan import Plan
from ..scenario.units import parse_duration
from ..services.identification import DEFAULT, Identification
from .events import Event, Events
from .history import History, Outcome, Request
from .run_folder import read_run_folder


@dataclass(frozen=True, slots=True)
class Bound:
    """The balancer's bounds for one kind of fault in seconds, or None if its configuration implies no bound."""

    reroute_s: float | None
    reroute_traffic_s: float | None
    """Bound while requests flow: failed requests make the balancer probe at once. It is the only bound for a backend
    that passes its health checks but fails requests."""
    readmit_s: float | None
    formula: str

    @property
    def allowed_s(self) -> float | None:
        """Bound that a run must keep: the bound without traffic if there is one, otherwise the bound with traffic."""
        return self.reroute_traffic_s if self.reroute_s is None else self.reroute_s


NO_BOUND = Bound(None, None, None, "")
BALANCER = "lb"
"""Target of steps that concern the balancer itself (which every request uses) or all backends."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the run as it happened. Times are in seconds since the run's start; None if it did not happen."""

    kind: str
    target: str
    instance: str
    backends: tuple[str, ...]
    """Ids of the target in the balancer at injection."""
    backends_after: tuple[str, ...]
    """Ids of the target in the balancer after it was healed."""
    mechanism: str
    requested_at: float | None
    injected_at: float | None
    heal_started_at: float | None
    healed_at: float | None
    bit: bool | None
    """Whether the chaos service measured that the fault took effect; None if it could not tell."""
    evidence: str
    error: str
    step: int = -1
    """Index of the plan's step, −1 if it is not recorded; several faults can belong to one step."""

    @property
    def begun_at(self) -> float:
        """When its injection was requested, or, if only that is known, when it took effect; infinite without either."""
        return self.window[0] if self.requested_at is None else self.requested_at

    @property
    def window(self) -> tuple[float, float]:
        """From taking effect until healing begins. Afterwards the target may work before this has been verified."""
        ends = [at for at in (self.heal_started_at, self.healed_at) if at is not None]
        begin = float("inf") if self.injected_at is None else self.injected_at
        return begin, min(ends, default=float("inf"))

    def was_being_injected(self, request: Request) -> bool:
        """Return whether the request was in flight between the call that injects the fault and that call's return."""
        if self.requested_at is None or self.injected_at is None or request.ended is None:
            return False
        return request.due < self.injected_at and request.ended > self.requested_at

    def touches(self, request: Request) -> bool | None:
        """Return whether the request was sent to the target (by its ids at injection); None if that is not known."""
        if self.target == BALANCER:
            return True
        if request.tried:
            return any(backend in self.backends for backend in request.tried)
        if request.status is None and request.error in NEVER_FORWARDED:
            return False
        return None

    def touches_moved(self, request: Request) -> bool:
        """Return whether the request went to the target at its new address before the target worked there.

        A restarted container may get the address of another container, and then gets requests before its server
        listens.
        """
        if self.heal_started_at is None or request.ended is None or request.ended <= self.heal_started_at:
            return False
        until = float("inf") if self.healed_at is None else self.healed_at
        return request.due < until and any(backend in self.backends_after for backend in request.tried)


NEVER_FORWARDED = frozenset({"refused", "connect_timeout", "closed before anything was sent"})
"""Errors of requests that did not reach the balancer."""


@dataclass(frozen=True)
class RunRecord:
    """A run: the plan, the requests as clients saw them, and the events of all services."""

    plan: Plan
    history: History
    events: Events

    @cached_property
    def expect(self) -> Expect:
        """What the scenario asserts."""
        return Expect.model_validate(self.plan.expect)

    @cached_property
    def measured(self) -> list[Request]:
        """Requests due after the warm-up. Only these are judged."""
        return [request for request in self.history.requests if request.due >= self.plan.warm_up_s]

    @cached_property
    def bad(self) -> list[Request]:
        """Measured requests that failed, are unknown or were slow."""
        slow_s = self.plan.load.slow_s
        return [request for request in self.measured if request.is_bad(slow_s)]

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """All faults, in order of the plan's steps."""
        found = sorted(self.events.of("lab", "fault"), key=lambda event: event.data["step"])
        return tuple(_fault(event.data) for event in found)

    @cached_property
    def bounds(self) -> dict[str, Bound]:
        """Bounds by fault kind: times that the scenario asserts in seconds, otherwise those that the balancer's
        configuration implies. A kind is missing if neither is known."""
        event = self.events.last("lab", "bounds")
        published = {each["fault"]: _bound(each) for each in event.data["bounds"]} if event else {}
        asserted = _asserted(self.expect)
        kinds = [*published, *(fault.kind for fault in self.faults if asserted(NO_BOUND) != NO_BOUND)]
        return {kind: asserted(published.get(kind, NO_BOUND)) for kind in dict.fromkeys(kinds)}

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The balancer's live configuration before the first request; empty if the balancer does not publish it."""
        event = self.events.last("lab", "config")
        config = event.data.get("config") if event else None
        return config if isinstance(config, Mapping) else {}

    @cached_property
    def probe_timeout_s(self) -> float:
        """Longest duration of a health check according to the configuration, seconds; 0 if that is not known."""
        health = self.config.get("health")
        timeout = health.get("timeout") if isinstance(health, Mapping) else None
        return 0.0 if timeout is None else parse_duration(timeout)

    @cached_property
    def instances(self) -> dict[str, str]:
        """Instance names by target name, at the run's start."""
        events = self.events.of("lab", "targets")
        return {name: each["instance"] for name, each in events[0].data["targets"].items()} if events else {}

    @cached_property
    def identification(self) -> Identification:
        """Where the responses name their backend; `none` if the record of it is damaged."""
        try:
            return Identification.parse(str(self.meta.get("identification") or DEFAULT))
        except ValueError:
            return Identification("none")

    @cached_property
    def backends_are_known(self) -> bool:
        """Whether it is known which backend answered: the responses name it, or the balancer does (`X-Backend`)."""
        return self.identification.is_known or any(each.backend or each.tried for each in self.history.requests)

    @cached_property
    def unmatched_names(self) -> tuple[str, ...]:
        """Names in good responses that are of no target of the lab, sorted."""
        targets = {
            each["instance"] for event in self.events.of("lab", "targets") for each in event.data["targets"].values()
        }
        answered = {each.instance for each in self.history.requests if each.outcome is Outcome.OK}
        return tuple(sorted(name for name in answered - targets if name is not None))

    @cached_property
    def executions(self) -> Mapping[str, tuple[float, ...]] | None:
        """Times at which each job was executed, by job id, from the backends' ledgers; None if they were not read."""
        if self.events.last("lab", "ledger") is None:
            return None
        found: dict[str, tuple[float, ...]] = {}
        for event in self.events.of("api"):
            found[event.data["id"]] = (*found.get(event.data["id"], ()), event.t)
        return found

    @cached_property
    def clock_error_s(self) -> float:
        """The largest uncertainty of a time that another process reported, seconds."""
        return max((float(event.data["error_s"]) for event in self.events.of("lab", "clock")), default=0.0)

    @property
    def meta(self) -> Mapping[str, Any]:
        """Fields of the `run_started` event: run_id, started, runtime, balancer, versions, machine."""
        event = self.events.last("lab", "run_started")
        return event.data if event else {}

    @property
    def completed(self) -> bool:
        """Whether the experiment reached its planned end."""
        return self.events.last("lab", "run_ended") is not None

    @cached_property
    def stalls(self) -> list[tuple[float, float]]:
        """Start and end of each time in which the host was busy (`lab.evidence.host_monitor`)."""
        return [(event.data["since"], event.t) for event in self.events.of("lab", "stall")]

    def host_was_busy(self, since: float, until: float) -> bool:
        """Return whether the host was busy at any moment between the two times."""
        return any(began < until and ended > since for began, ended in self.stalls)

    def host_was_busy_during(self, request: Request) -> bool:
        """Return whether the host was busy while the request was in flight; False if it has no outcome."""
        return request.ended is not None and self.host_was_busy(request.due, request.ended)

    def transitions(self, backends: Iterable[str]) -> list[Event]:
        """Return the balancer's state changes of these backends, in order of time."""
        wanted = set(backends)
        return [event for event in self.events.of("lb", "transition") if event.data.get("backend") in wanted]

    @cached_property
    def jobs(self) -> dict[str, Request]:
        """Every job by its id, including those of the warm-up."""
        return {request.key: request for request in self.history.requests if request.key is not None}


def load_run(run_dir: Path) -> RunRecord:
    """Return the record in a run's folder. Raise BadArgumentsError if it has no valid plan.

    A history or events file that cannot be read becomes a defect of the record.
    """
    folder = read_run_folder(run_dir)
    if folder.plan is None:
        raise BadArgumentsError(f"{run_dir} is not the folder of a run: {folder.problems['plan.json']}")
    try:
        Expect.model_validate(folder.plan.expect)
    except ValueError as error:
        raise BadArgumentsError(f"{run_dir}/plan.json: expect is not valid: {error}") from error
    history = folder.history or History([], (folder.problems["history.jsonl"],))
    events = folder.events or Events((), (folder.problems["events.jsonl"],))
    return RunRecord(folder.plan, history, events)


def _asserted(expect: Expect) -> Callable[[Bound], Bound]:
    """Return a function that replaces a bound's times by those that the scenario asserts in seconds."""
    reroute, readmit = (each if isinstance(each, float) else None for each in (expect.reroute, expect.readmit))

    def replaced(bound: Bound) -> Bound:
        if reroute is not None:
            bound = replace(bound, reroute_s=reroute, reroute_traffic_s=None, formula="the scenario's limit")
        return bound if readmit is None else replace(bound, readmit_s=readmit)

    return replaced


def _bound(raw: Mapping[str, Any]) -> Bound:
    return Bound(raw["reroute_s"], raw.get("reroute_traffic_s"), raw["readmit_s"], raw.get("formula", ""))


def _fault(raw: Mapping[str, Any]) -> Fault:
    return Fault(
        kind=raw["kind"],
        target=raw["target"],
        instance=raw.get("instance", ""),
        backends=tuple(raw.get("backends", ())),
        backends_after=tuple(raw.get("backends_after", ())),
        mechanism=raw.get("mechanism") or "",
        requested_at=raw.get("requested_at"),
        injected_at=raw.get("injected_at"),
        heal_started_at=raw.get("heal_started_at"),
        healed_at=raw.get("healed_at"),
        bit=raw.get("bit"),
        evidence=raw.get("evidence") or "",
        error=raw.get("error") or "",
        step=int(raw.get("step", -1)),
    )
