"""State of a run in progress for the live view. It uses neither clock nor terminal: reports carry their time."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..evidence.events import Event
from ..evidence.progress import TrafficCounts
from ..scenario.plan import Plan
from .run_files import fault_record

RECENT = 6
"""Number of recent events shown."""
RATE_WINDOW_S = 1.0
"""Seconds over which the rate is averaged: with less, the number flickers; with more, dips are hidden."""


@dataclass(slots=True)
class BackendView:
    """One backend in the state that the balancer last reported."""

    name: str
    state: str = "unknown"
    suspected: bool = False

    @property
    def shown_state(self) -> str:
        """The state as shown: `suspected` instead of `up` while the backend is suspected."""
        return "suspected" if self.suspected and self.state == "up" else self.state


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that has not been healed. `ends_at` is in seconds since the run's start, None if it is not known."""

    kind: str
    target: str
    ends_at: float | None


@dataclass(slots=True)
class LiveState:
    """Updated by the calls of `Progress`, drawn by `lab.report.live`. Times are in seconds since the run's start."""

    run_id: str
    title: str
    scenario: str
    ends_at: float
    """Estimated end. The actual end is when every target is readmitted."""
    t: float = 0.0
    phase: str = "starting"
    counts: TrafficCounts = field(default_factory=TrafficCounts)
    backends: dict[str, BackendView] = field(default_factory=dict)
    faults: dict[str, ActiveFault] = field(default_factory=dict)
    recent: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=RECENT))
    _sent: deque[tuple[float, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, run_id: str, plan: Plan) -> LiveState:
        """Return the state before the first request."""
        return cls(run_id, plan.title, plan.scenario, plan.faults_end_s + plan.settle_s)

    @property
    def left_s(self) -> float:
        """Seconds until the estimated end, never negative."""
        return max(0.0, self.ends_at - self.t)

    @property
    def rate(self) -> float:
        """Requests per second sent in the last `RATE_WINDOW_S`; 0 before the second report."""
        if len(self._sent) < 2:
            return 0.0
        (began, before), (now, sent) = self._sent[0], self._sent[-1]
        return (sent - before) / (now - began) if now > began else 0.0

    def enter(self, t: float, phase: str, ends_at: float | None) -> None:
        """Update the state: a phase begins."""
        self.t, self.phase = max(self.t, t), phase
        self.ends_at = max(self.ends_at, ends_at or 0.0)

    def count(self, t: float, counts: TrafficCounts) -> None:
        """Update the counts from a report of the generator."""
        self.t, self.counts = max(self.t, t), counts
        self._sent.append((t, counts.sent))
        while t - self._sent[0][0] > RATE_WINDOW_S:
            self._sent.popleft()

    def note(self, event: Event) -> str:
        """Update the state from an event. Return a line that describes it, or an empty string if it is not shown."""
        self.t = max(self.t, event.t)
        line = self._balancer(event) if event.source == "lb" else self._chaos(event) if event.source == "chaos" else ""
        if event.source == "lab" and event.type == "backends":
            self._set_backends(event.data)
        if event.source == "lab" and event.type == "targets":
            self._rename(event.data)
        if line:
            self.recent.append((event.t, line))
        return line

    def _set_backends(self, data: Mapping[str, Any]) -> None:
        for each in data.get("backends", ()):
            name = str(each.get("name") or each["id"])
            self.backends[str(each["id"])] = BackendView(name, str(each.get("state")), bool(each.get("suspected")))

    def _rename(self, data: Mapping[str, Any]) -> None:
        """Name backends after their targets, as ids may be addresses, and instance names container ids."""
        for name, known in data.get("targets", {}).items():
            for backend_id in known.get("backends", ()):
                self.backends.setdefault(backend_id, BackendView(backend_id)).name = name

    def _balancer(self, event: Event) -> str:
        backend_id = str(event.data.get("backend") or "")
        if event.type == "panic_changed":
            return "no backend is usable" if event.data.get("active") else "a backend is usable again"
        if event.type == "removed":
            gone = self.backends.pop(backend_id, BackendView(backend_id))
            return f"{gone.name} left the balancer"
        if event.type not in {"transition", "suspected", "cleared", "added"}:
            return ""
        backend = self.backends.setdefault(backend_id, BackendView(backend_id))
        return _changed(backend, event)

    def _chaos(self, event: Event) -> str:
        record = fault_record(event)
        fault_id, what = str(record.get("id", "")), f"{record.get('kind')} on {record.get('target')}"
        match event.type:
            case "fault_injected":
                lasts = record.get("duration_s")
                ends_at = event.t + lasts if isinstance(lasts, int | float) else None
                self.faults[fault_id] = ActiveFault(str(record.get("kind")), str(record.get("target")), ends_at)
                return f"{what} injected"
            case "fault_healed":
                self.faults.pop(fault_id, None)
                return f"{what} healed"
            case "fault_failed":
                self.faults.pop(fault_id, None)
                return f"{what} failed: {record.get('error')}"
            case "revived":
                return f"{event.data.get('target')} was started again by the chaos service"
            case _:
                return ""


def _changed(backend: BackendView, event: Event) -> str:
    reason = event.data.get("reason")
    why = f" ({reason})" if reason else ""
    match event.type:
        case "transition":
            backend.state, backend.suspected = str(event.data.get("new")), False
            return f"{backend.name} is {backend.state}{why}"
        case "suspected":
            backend.suspected = True
            return f"{backend.name} is suspected{why}"
        case "cleared":
            backend.suspected = False
            return f"{backend.name} is no longer suspected{why}"
        case _:
            return f"{backend.name} joined the balancer"
