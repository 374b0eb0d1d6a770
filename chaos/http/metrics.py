"""Prometheus metrics. They are read from the engine's records at each scrape, so they always agree with the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..engine.engine import Engine


class _Faults(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterable[Metric]:
        records = self._engine.records()
        by_state = GaugeMetricFamily("chaos_faults", "Faults by kind and state.", labels=["kind", "state"])
        for (kind, state), count in Counter((record.kind, record.state.value) for record in records).items():
            by_state.add_metric([kind, state], count)
        bites = CounterMetricFamily(
            "chaos_faults_verified", "Faults by kind and by whether they had an effect.", labels=["kind", "bit"]
        )
        verdicts = Counter((record.kind, str(record.bit).lower()) for record in records if record.verified_mono)
        for (kind, bit), count in verdicts.items():
            bites.add_metric([kind, bit], count)
        return [by_state, bites]


def render(engine: Engine) -> bytes:
    """Return all metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Faults(engine))
    return generate_latest(registry)
