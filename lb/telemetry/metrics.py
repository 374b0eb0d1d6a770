"""Prometheus metrics, computed at each scrape from `request_stats`, counted events, and the balancer's state.

A prometheus-client counter takes a lock for each increment, so requests do not use any.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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

from ..core.backend import Backend, State
from ..core.events import AttemptFailed, Event, Hedged, Held, Probed, ProbeWanted, Released, Transition
from .request_stats import DurationHistogram, Gauges, RequestTotals, sum_totals

Expiries = Callable[[], Mapping[str, float]]


class BalancerState(Protocol):
    """What is read from the balancer at each scrape."""

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends."""

    @property
    def panic(self) -> bool:
        """Whether no backend is usable."""


class Metrics(Collector):
    """Counts events of the core (`on_event`), and collects everything else when it is scraped."""

    def __init__(
        self,
        balancer: BalancerState,
        version: str,
        all_totals: Callable[[], Sequence[RequestTotals]],
        gauges: Callable[[], Gauges],
        expiries: Expiries = dict,
        workers_died: Callable[[], int] = int,
    ) -> None:
        """`expiries` returns when each TLS certificate expires, by path (Unix time)."""
        self._balancer = balancer
        self._version = version
        self._all_totals = all_totals
        self._gauges = gauges
        self._expiries = expiries
        self._workers_died = workers_died
        self._failures: Counter[tuple[str, str]] = Counter()
        self._retries = 0
        self._hedges: Counter[str] = Counter()
        self._transitions: Counter[tuple[str, str]] = Counter()
        self._probes: Counter[tuple[str, str]] = Counter()
        self._probe_seconds: defaultdict[str, DurationHistogram] = defaultdict(DurationHistogram)
        self._probes_wanted: Counter[str] = Counter()
        self._holds: Counter[str] = Counter()
        self._held: set[str] = set()
        self.reloads: Counter[str] = Counter()
        """Number of reloads by result: `changed`, `unchanged`, `refused`."""
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(self)

    def on_event(self, event: Event) -> None:
        """Count an event of the core (`Emit`)."""
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
            case Held(backend=backend):
                self._holds[backend] += 1
                self._held.add(backend)
            case Released(backend=backend):
                self._held.discard(backend)
            case ProbeWanted(backend=backend):
                self._probes_wanted[backend] += 1

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families (called by prometheus-client)."""
        totals, gauges = sum_totals(self._all_totals()), self._gauges()
        yield from _traffic(totals, gauges)
        yield from _tcp(totals, gauges)
        yield from self._decisions()
        yield from self._checks()
        yield from self._backend_states(gauges)
        yield from self._process(totals)

    def _decisions(self) -> Iterator[Metric]:
        yield _counter("lb_attempt_failures", "Failed attempts, by kind", ("backend", "failure"), self._failures)
        yield _counter("lb_retries", "Failed attempts that were retried", (), {(): self._retries})
        yield _counter("lb_hedges", "Second attempts sent to this backend", ("backend",), _keyed(self._hedges))

    def _checks(self) -> Iterator[Metric]:
        yield _counter("lb_probes", "Active checks, by result", ("backend", "result"), self._probes)
        yield _histogram("lb_probe_seconds", "Duration of active checks, s", self._probe_seconds)
        yield _counter(
            "lb_probes_wanted", "Active checks triggered by traffic", ("backend",), _keyed(self._probes_wanted)
        )
        yield _counter("lb_discovery_holds", "Delayed removals by discovery", ("backend",), _keyed(self._holds))
        yield _counter(
            "lb_transitions", "Transitions of the health state machine", ("backend", "state"), self._transitions
        )

    def _backend_states(self, gauges: Gauges) -> Iterator[Metric]:
        state = GaugeMetricFamily("lb_backend_state", "1 for the current state", labels=["backend", "state"])
        in_flight = GaugeMetricFamily("lb_backend_in_flight", "Attempts in flight", labels=["backend"])
        weight = GaugeMetricFamily(
            "lb_backend_effective_weight", "Weight after slow start and load", labels=["backend"]
        )
        suspected = GaugeMetricFamily("lb_backend_suspected", "1 while the backend is suspected", labels=["backend"])
        held = GaugeMetricFamily("lb_backend_held", "1 while kept without being discovered", labels=["backend"])
        for backend in self._balancer.backends:
            held.add_metric([backend.id], float(backend.id in self._held))
            for one in State:
                state.add_metric([backend.id, one.value], float(backend.state is one))
            in_flight.add_metric([backend.id], gauges.in_flight[backend.id])
            weight.add_metric([backend.id], backend.effective_weight)
            suspected.add_metric([backend.id], float(backend.suspected))
        yield from (state, in_flight, weight, suspected, held)
        yield GaugeMetricFamily("lb_panic", "1 while no backend is usable", float(self._balancer.panic))

    def _process(self, totals: RequestTotals) -> Iterator[Metric]:
        expiry = GaugeMetricFamily(
            "lb_tls_certificate_expiry_timestamp_seconds",
            "When the certificate expires, Unix time",
            labels=["certificate"],
        )
        for path, when in self._expiries().items():
            expiry.add_metric([path], when)
        yield expiry
        yield _counter("lb_reloads", "Reloads of the configuration, by result", ("result",), _keyed(self.reloads))
        yield _counter("lb_workers_died", "Workers that died and were replaced", (), {(): self._workers_died()})
        yield _counter("lb_log_lines_dropped", "Log lines lost to a slow reader", (), {(): totals.dropped_lines})
        yield InfoMetricFamily("lb_build", "The running balancer", {"version": self._version})


def _traffic(totals: RequestTotals, gauges: Gauges) -> Iterator[Metric]:
    yield _counter(
        "lb_requests",
        "Finished requests; backend is empty if the balancer itself responded",
        ("backend", "method", "status"),
        totals.requests,
    )
    yield _histogram("lb_request_seconds", "From head to last byte, s", totals.seconds)
    yield _counter("lb_attempts", "Attempts of finished requests", (), {(): totals.attempts})
    body_bytes = {("in",): totals.bytes_in, ("out",): totals.bytes_out}
    yield _counter("lb_body_bytes", "Body bytes, in from clients and out to them", ("direction",), body_bytes)
    yield _counter("lb_errors", "Failed requests, by reason", ("reason",), _keyed(totals.errors))
    yield GaugeMetricFamily("lb_client_connections", "Open client connections", gauges.connections)


def _tcp(totals: RequestTotals, gauges: Gauges) -> Iterator[Metric]:
    yield _counter(
        "lb_tcp_connections",
        "Finished connections of TCP mode; backend is empty if none accepted it",
        ("backend", "outcome"),
        totals.tcp_connections,
    )
    passed = {("in",): totals.tcp_bytes_in, ("out",): totals.tcp_bytes_out}
    yield _counter(
        "lb_tcp_bytes", "Bytes of connections of TCP mode, in from clients and out to them", ("direction",), passed
    )
    tunnels = GaugeMetricFamily("lb_tunnels", "Open upgraded connections and those of TCP mode", labels=["backend"])
    for backend, count in gauges.tunnels.items():
        tunnels.add_metric([backend], count)
    yield tunnels


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str], int]:
    return {(key,): count for key, count in counts.items()}


def _counter(name: str, text: str, labels: Sequence[str], counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in tuple(counts.items()):
        family.add_metric(key, count)
    return family


def _histogram(name: str, text: str, timings: Mapping[str, DurationHistogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["backend"])
    for backend, timing in tuple(timings.items()):
        family.add_metric([backend], timing.buckets(), timing.total)
    return family
