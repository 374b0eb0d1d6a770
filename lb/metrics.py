"""Prometheus metrics. Counted in plain dictionaries on the hot path, shaped into families only when scraped.

One request costs two dictionary updates and a bisection, under 1 µs; a prometheus-client counter takes a lock each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from lb.core.backend import Backend, State
from lb.core.events import AttemptFailed, Event, Hedged, Probed, ProbeWanted, Transition
from lb.proxy.record import Record

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds. 250 ms, where the lab's clients call an answer slow, is one of the bounds."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")


class Watched(Protocol):
    """What is read from the balancer at each scrape."""

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends."""

    @property
    def panic(self) -> bool:
        """No backend is usable."""


@dataclass(slots=True)
class Timings:
    """A histogram that is cheap to feed."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        cumulative, total = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += count
            cumulative.append((bound, float(total)))
        return cumulative


class Metrics(Collector):
    """Counts requests (`done`) and events (`on_event`); the rest is read from the balancer."""

    def __init__(self, watched: Watched, version: str, connections: Callable[[], int]) -> None:
        self._watched = watched
        self._version = version
        self._connections = connections
        self._requests: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self._attempts = 0
        self._bytes = {"in": 0, "out": 0}
        self._errors: defaultdict[str, int] = defaultdict(int)
        self._seconds: defaultdict[str, Timings] = defaultdict(Timings)
        self._failures: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._retries = 0
        self._hedges: defaultdict[str, int] = defaultdict(int)
        self._transitions: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._probes: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._probe_seconds: defaultdict[str, Timings] = defaultdict(Timings)
        self._probes_wanted: defaultdict[str, int] = defaultdict(int)
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(self)

    def done(self, record: Record) -> None:
        """A request is over (`OnDone`)."""
        method = record.method if record.method in _METHODS else "other"
        self._requests[record.backend, method, _CLASSES[min(record.status // 100, 5)]] += 1
        self._seconds[record.backend].observe(record.total_s)
        self._attempts += record.attempts
        self._bytes["in"] += record.bytes_in
        self._bytes["out"] += record.bytes_out
        if record.error:
            self._errors[record.error] += 1

    def on_event(self, event: Event) -> None:
        """Something happened in the core (`Emit`)."""
        match event:
            case Probed(backend=backend, passed=passed, took=took):
                self._probes[backend, "pass" if passed else "fail"] += 1
                self._probe_seconds[backend].observe(took)
            case AttemptFailed(backend=backend, failure=failure, retried=retried):
                self._failures[backend, failure] += 1
                self._retries += retried
            case Hedged(backend=backend):
                self._hedges[backend] += 1
            case Transition(backend=backend, new=new):
                self._transitions[backend, new.value] += 1
            case ProbeWanted(backend=backend):
                self._probes_wanted[backend] += 1

    def exposition(self) -> bytes:
        """Text format for a scrape."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Everything, shaped for prometheus-client."""
        yield from self._traffic()
        yield from self._decisions()
        yield from self._checks()
        yield from self._standing()
        yield InfoMetricFamily("lb_build", "The running balancer", {"version": self._version})

    def _traffic(self) -> Iterator[Metric]:
        yield _counter(
            "lb_requests",
            "Requests finished; backend is empty where the balancer answered itself",
            ("backend", "method", "status"),
            self._requests,
        )
        yield _histogram("lb_request_seconds", "From head to last byte, s", self._seconds)
        yield _counter("lb_attempts", "Attempts of finished requests", (), {(): self._attempts})
        yield _counter(
            "lb_body_bytes", "Body bytes, in from clients and out to them", ("direction",), _keyed(self._bytes)
        )
        yield _counter("lb_errors", "Requests that did not end well, by reason", ("reason",), _keyed(self._errors))
        yield GaugeMetricFamily("lb_client_connections", "Open client connections", self._connections())

    def _decisions(self) -> Iterator[Metric]:
        yield _counter("lb_attempt_failures", "Failed attempts, by kind", ("backend", "failure"), self._failures)
        yield _counter("lb_retries", "Failed attempts that another one followed", (), {(): self._retries})
        yield _counter("lb_hedges", "Second attempts sent to this backend", ("backend",), _keyed(self._hedges))

    def _checks(self) -> Iterator[Metric]:
        yield _counter("lb_probes", "Active checks, by result", ("backend", "result"), self._probes)
        yield _histogram("lb_probe_seconds", "Duration of active checks, s", self._probe_seconds)
        yield _counter("lb_probes_wanted", "Checks that traffic asked for", ("backend",), _keyed(self._probes_wanted))
        yield _counter("lb_transitions", "Moves in the health machine", ("backend", "state"), self._transitions)

    def _standing(self) -> Iterator[Metric]:
        state = GaugeMetricFamily("lb_backend_state", "1 for the state it is in", labels=["backend", "state"])
        in_flight = GaugeMetricFamily("lb_backend_in_flight", "Attempts under way", labels=["backend"])
        weight = GaugeMetricFamily(
            "lb_backend_effective_weight", "Weight after slow start and load", labels=["backend"]
        )
        suspected = GaugeMetricFamily("lb_backend_suspected", "1 while requests stall on it", labels=["backend"])
        for backend in self._watched.backends:
            for one in State:
                state.add_metric([backend.id, one.value], float(backend.state is one))
            in_flight.add_metric([backend.id], backend.in_flight)
            weight.add_metric([backend.id], backend.effective_weight)
            suspected.add_metric([backend.id], float(backend.suspected))
        yield from (state, in_flight, weight, suspected)
        yield GaugeMetricFamily("lb_panic", "1 while no backend is usable", float(self._watched.panic))


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(key,): count for key, count in counts.items()}


def _counter(name: str, text: str, labels: Sequence[str], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in tuple(counts.items()):
        family.add_metric(key, count)
    return family


def _histogram(name: str, text: str, timings: Mapping[str, Timings]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["backend"])
    for backend, timing in tuple(timings.items()):
        family.add_metric([backend], timing.buckets(), timing.total)
    return family
