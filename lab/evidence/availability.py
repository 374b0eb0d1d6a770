"""When each backend was out of use, according to the balancer's own events. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .events import Event
from .record import RunRecord

UP = "up"
DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class StateSpan:
    """One state, from `since` to `until` (infinite if it did not end), in seconds since the run's start."""

    since: float
    until: float
    state: str
    """Name in lower case: a state of the balancer, `suspected` or `panic`."""

    def covers(self, since: float, until: float, margin_s: float) -> bool:
        """Return whether the state certainly held from `since` to `until`. Its edges are exact to ± `margin_s`."""
        return self.since + margin_s < since and until < self.until - margin_s

    def overlaps(self, since: float, until: float, margin_s: float) -> bool:
        """Return whether the state may have held at any moment of that time. Its edges are exact to ± `margin_s`."""
        return self.since - margin_s < until and since < self.until + margin_s


@dataclass(frozen=True, slots=True)
class Availability:
    """The balancer's view of its backends during a run."""

    out: dict[str, list[StateSpan]] = field(default_factory=dict)
    """Backend id → a span for each state other than `up`."""
    suspected: dict[str, list[StateSpan]] = field(default_factory=dict)
    """Backend id → spans in which it was avoided because requests to it stalled."""
    panic: tuple[StateSpan, ...] = ()
    """Spans without a usable backend; the balancer may then try any backend."""
    reports_states: bool = False
    """Whether the balancer sends events about its backends at all."""

    def was_out(self, backend: str, since: float, until: float, margin_s: float) -> StateSpan | None:
        """Return the state that kept the backend out during all of that time, or None if it may have been up."""
        spans = self.out.get(backend, ())
        return next((span for span in spans if span.covers(since, until, margin_s)), None)

    def was_doubtful(self, backend: str, since: float, until: float, margin_s: float) -> bool:
        """Return whether the backend may have been out or suspected at any moment of that time."""
        spans = (*self.out.get(backend, ()), *self.suspected.get(backend, ()))
        return any(span.overlaps(since, until, margin_s) for span in spans)

    def in_panic(self, since: float, until: float, margin_s: float) -> bool:
        """Return whether the balancer may have had no usable backend at any moment of that time."""
        return any(span.overlaps(since, until, margin_s) for span in self.panic)


def availability(run: RunRecord) -> Availability:
    """Return the availability that the balancer's events describe; empty for a balancer without events."""
    transitions = _by_backend(run.events.of("lb", "transition"))
    suspicions = _by_backend(run.events.of("lb", "suspected", "cleared", "transition"))
    panic = _spans(run.events.of("lb", "panic_changed"), "panic", lambda event: bool(event.data.get("active")))
    return Availability(
        out={backend: _outages(events) for backend, events in transitions.items()},
        suspected={
            backend: _spans(events, "suspected", lambda event: event.type == "suspected")
            for backend, events in suspicions.items()
        },
        panic=tuple(panic),
        reports_states=bool(run.events.of("lb")),
    )


def _by_backend(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[str(event.data.get("backend"))].append(event)
    return found


def _outages(events: list[Event]) -> list[StateSpan]:
    """Return a span for each state other than `up`. A state lasts until the next transition."""
    ends = [*(event.t for event in events[1:]), float("inf")]
    spans = [
        StateSpan(event.t, end, str(event.data.get("new", "")).lower()) for event, end in zip(events, ends, strict=True)
    ]
    return [span for span in spans if span.state != UP]


def _spans(events: list[Event], state: str, begins: Callable[[Event], bool]) -> list[StateSpan]:
    """Return a span from each event that begins the state to the event that ends it."""
    spans: list[StateSpan] = []
    since: float | None = None
    for event in events:
        if begins(event):
            since = event.t if since is None else since
        elif since is not None:
            spans.append(StateSpan(since, event.t, state))
            since = None
    return spans if since is None else [*spans, StateSpan(since, float("inf"), state)]
