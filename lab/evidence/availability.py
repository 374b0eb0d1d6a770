"""When each backend was out, by the balancer's own word: what a checker holds its traffic against. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from .events import Event
from .record import RunRecord

UP = "up"
DRAIN = "drain"


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds since the run's start; `until` is infinite for what did not end. `state` is the balancer's word."""

    since: float
    until: float
    state: str

    def covers(self, since: float, until: float, margin_s: float) -> bool:
        """Whether it held through the whole time, even if its edges are off by the margin."""
        return self.since + margin_s < since and until < self.until - margin_s

    def meets(self, since: float, until: float, margin_s: float) -> bool:
        """Whether it held at any moment of the time, if its edges may be off by the margin."""
        return self.since - margin_s < until and since < self.until + margin_s


@dataclass(frozen=True, slots=True)
class Availability:
    """The balancer's view of its backends over a run."""

    out: dict[str, list[Span]] = field(default_factory=dict)
    """Per backend id: when it was in any state but up, one span a state."""
    suspected: dict[str, list[Span]] = field(default_factory=dict)
    """When it was avoided because requests stalled on it."""
    panic: tuple[Span, ...] = ()
    """When no backend was usable: then everything that might work may be tried."""
    told: bool = False
    """Whether the balancer reports its backends' states at all."""

    def was_out(self, backend: str, since: float, until: float, margin_s: float) -> Span | None:
        """The state that kept it out all through the time; None if it may have been up at any moment of it."""
        spans = self.out.get(backend, ())
        return next((span for span in spans if span.covers(since, until, margin_s)), None)

    def was_doubtful(self, backend: str, since: float, until: float, margin_s: float) -> bool:
        """Whether it may have been out or suspected at any moment of the time."""
        spans = (*self.out.get(backend, ()), *self.suspected.get(backend, ()))
        return any(span.meets(since, until, margin_s) for span in spans)

    def in_panic(self, since: float, until: float, margin_s: float) -> bool:
        """Whether no backend may have been usable at any moment of the time."""
        return any(span.meets(since, until, margin_s) for span in self.panic)


def availability(run: RunRecord) -> Availability:
    """From the balancer's events; empty for a balancer that sends none."""
    moves = run.events.of("lb", "transition")
    return Availability(
        out={backend: _outages(events) for backend, events in _by_backend(moves).items()},
        suspected={
            backend: _spans(events, "suspected", "cleared", "transition")
            for backend, events in _by_backend(run.events.of("lb", "suspected", "cleared", "transition")).items()
        },
        panic=tuple(_panics(run.events.of("lb", "panic_changed"))),
        told=bool(run.events.of("lb")),
    )


def _by_backend(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[str(event.data.get("backend"))].append(event)
    return found


def _outages(events: list[Event]) -> list[Span]:
    """Each move out of up, or from one such state to the next, lasts until the next move."""
    ends = [*(event.t for event in events[1:]), float("inf")]
    moves = zip(events, ends, strict=True)
    spans = [Span(event.t, end, str(event.data.get("new", "")).lower()) for event, end in moves]
    return [span for span in spans if span.state != UP]


def _spans(events: list[Event], begin: str, *ends: str) -> list[Span]:
    spans: list[Span] = []
    since: float | None = None
    for event in events:
        if event.type == begin and since is None:
            since = event.t
        elif event.type in ends and since is not None:
            spans.append(Span(since, event.t, begin))
            since = None
    return spans if since is None else [*spans, Span(since, float("inf"), begin)]


def _panics(events: list[Event]) -> list[Span]:
    spans: list[Span] = []
    since: float | None = None
    for event in events:
        if event.data.get("active"):
            since = event.t if since is None else since
        elif since is not None:
            spans.append(Span(since, event.t, "panic"))
            since = None
    return spans if since is None else [*spans, Span(since, float("inf"), "panic")]
