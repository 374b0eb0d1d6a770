"""Everything that is known of one run, joined from its files: what checkers look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadArgumentsError
from ..scenario.plan import Plan
from .balancer_config import seconds
from .events import Event, Events, read_events
from .history import History, Request, read_history


@dataclass(frozen=True, slots=True)
class Bound:
    """The balancer's promise for one kind of fault, seconds; None where its configuration promises nothing."""

    reroute_s: float | None
    reroute_traffic_s: float | None
    """The promise while requests flow: a hint that a probe is due, or, for a lying backend, all there is to see."""
    readmit_s: float | None
    formula: str

    @property
    def allowed_s(self) -> float | None:
        """What a run is held to: the promise that needs no traffic, else the one that does, since a run has traffic."""
        return self.reroute_traffic_s if self.reroute_s is None else self.reroute_s


BALANCER = "lb"
"""The target of what happens to the balancer itself: every request goes there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the run as it happened. Times are seconds since the run's start; None: it did not get that far."""

    kind: str
    target: str
    instance: str
    backends: tuple[str, ...]
    """The balancer's ids of the target at injection."""
    backends_after: tuple[str, ...]
    """Its ids after it was healed."""
    mechanism: str
    requested_at: float | None
    injected_at: float | None
    heal_started_at: float | None
    healed_at: float | None
    bit: bool | None
    evidence: str
    error: str
    step: int = -1
    """Number of the plan's step; several faults can belong to one."""

    @property
    def window(self) -> tuple[float, float]:
        """From effect to the beginning of its undoing; after that the target may work before anybody has seen it."""
        ends = [at for at in (self.heal_started_at, self.healed_at) if at is not None]
        begin = float("inf") if self.injected_at is None else self.injected_at
        return begin, min(ends, default=float("inf"))

    def being_injected(self, request: Request) -> bool:
        """Whether the request was under way while the fault was on its way but not in effect."""
        if self.requested_at is None or self.injected_at is None or request.ended is None:
            return False
        return request.due < self.injected_at and request.ended > self.requested_at

    def touches(self, request: Request) -> bool | None:
        """Whether the request went to the target (by its ids at injection); None where nobody can tell."""
        if self.target == BALANCER:
            return True
        if request.tried:
            return any(backend in self.backends for backend in request.tried)
        if request.status is None and request.error in NEVER_FORWARDED:
            return False
        return None

    def touches_moved(self, request: Request) -> bool:
        """Whether the request went to the target where it came back, before it was seen to work there: a container that
        is started again may get an address that was another's, and is asked before its server listens."""
        if self.heal_started_at is None or request.ended is None or request.ended <= self.heal_started_at:
            return False
        until = float("inf") if self.healed_at is None else self.healed_at
        return request.due < until and any(backend in self.backends_after for backend in request.tried)


NEVER_FORWARDED = frozenset({"refused", "connect_timeout", "closed before anything was sent"})
"""What the generator says when it did not even get to the balancer."""


@dataclass(frozen=True)
class RunRecord:
    """A run: what was planned, what clients saw, what everybody else reported."""

    plan: Plan
    history: History
    events: Events

    @cached_property
    def measured(self) -> list[Request]:
        """Requests that count: those due after the warm-up."""
        return [request for request in self.history.requests if request.due >= self.plan.warm_up_s]

    @cached_property
    def bad(self) -> list[Request]:
        """Those of them that failed, are unknown or were slow."""
        slow_s = self.plan.load.slow_s
        return [request for request in self.measured if request.is_bad(slow_s)]

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """In order of the plan's steps."""
        found = sorted(self.events.of("lab", "fault"), key=lambda event: event.data["step"])
        return tuple(_fault(event.data) for event in found)

    @cached_property
    def bounds(self) -> dict[str, Bound]:
        """By fault kind; empty when the balancer gave none."""
        event = self.events.last("lab", "bounds")
        return {each["fault"]: _bound(each) for each in event.data["bounds"]} if event else {}

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The balancer's live configuration before the first request; empty where it tells none."""
        event = self.events.last("lab", "config")
        told = event.data.get("config") if event else None
        return told if isinstance(told, Mapping) else {}

    @cached_property
    def probe_timeout_s(self) -> float:
        """How long a probe may take by that configuration; 0 where the balancer does not say."""
        health = self.config.get("health")
        told = health.get("timeout") if isinstance(health, Mapping) else None
        return 0.0 if told is None else seconds(told, "health.timeout")

    @cached_property
    def instances(self) -> dict[str, str]:
        """Targets at the run's start → what they call themselves."""
        events = self.events.of("lab", "targets")
        return {name: each["instance"] for name, each in events[0].data["targets"].items()} if events else {}

    @cached_property
    def executions(self) -> Mapping[str, tuple[float, ...]] | None:
        """The backends' ledgers: when each job was executed, by its id, ids that nobody sent included; None when they
        could not be read."""
        if self.events.last("lab", "ledger") is None:
            return None
        found: dict[str, tuple[float, ...]] = {}
        for event in self.events.of("api"):
            found[event.data["id"]] = (*found.get(event.data["id"], ()), event.t)
        return found

    @cached_property
    def clock_error_s(self) -> float:
        """The largest uncertainty of any foreign time on the axis."""
        return max((float(event.data["error_s"]) for event in self.events.of("lab", "clock")), default=0.0)

    @property
    def meta(self) -> Mapping[str, Any]:
        """The `run_started` event: run_id, started, runtime, balancer, versions, machine."""
        event = self.events.last("lab", "run_started")
        return event.data if event else {}

    @property
    def completed(self) -> bool:
        """Whether the experiment came to its planned end."""
        return self.events.last("lab", "run_ended") is not None

    @cached_property
    def stalls(self) -> list[tuple[float, float]]:
        """When the host stood still: from and until."""
        return [(event.data["since"], event.t) for event in self.events.of("lab", "stall")]

    def host_was_busy(self, request: Request) -> bool:
        """Whether a witness saw the host without CPU to spare while the request was under way."""
        return request.ended is not None and any(
            since < request.ended and until > request.due for since, until in self.stalls
        )

    def transitions(self, backends: Iterable[str]) -> list[Event]:
        """The balancer's state changes of these backends, in order of time."""
        wanted = set(backends)
        return [event for event in self.events.of("lb", "transition") if event.data.get("backend") in wanted]

    @cached_property
    def jobs(self) -> dict[str, Request]:
        """Every POST by the id of its job, the warm-up included: work is work."""
        return {request.key: request for request in self.history.requests if request.key is not None}


def load_run(run_dir: Path) -> RunRecord:
    """Read a run's folder. Raises BadArgumentsError when its plan is not there; anything else may be missing."""
    try:
        plan = Plan.from_json((run_dir / "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadArgumentsError(f"{run_dir} is not the folder of a run: {error}") from error
    return RunRecord(plan, _history(run_dir / "history.jsonl"), _events(run_dir / "events.jsonl"))


def _history(path: Path) -> History:
    try:
        return read_history(path)
    except OSError as error:
        return History([], (f"history.jsonl cannot be read: {error.strerror}",))


def _events(path: Path) -> Events:
    try:
        return read_events(path)
    except OSError as error:
        return Events((), (f"events.jsonl cannot be read: {error.strerror}",))


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
