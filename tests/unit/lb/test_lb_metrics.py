from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from lb.core.backend import Backend, State
from lb.core.events import AttemptFailed, Hedged, Probed, ProbeWanted, Transition
from lb.metrics import BUCKETS, Metrics, Timings
from lb.proxy.record import Record

RECORD = Record("GET", b"/", 200, "a", 1, 0.0, 0.004, 0.003, 0, 120, "", b"id", b"127.0.0.1")


@dataclass
class Balancer:
    backends: Sequence[Backend] = (Backend("a", "h", 1, state=State.UP, in_flight=3),)
    panic: bool = False


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Balancer(), "1.2.3", lambda: 7)


def lines(metrics: Metrics) -> set[str]:
    return set(metrics.exposition().decode().splitlines())


def test_requests_are_counted_by_backend_method_and_class(metrics: Metrics) -> None:
    metrics.done(RECORD)
    metrics.done(RECORD)
    metrics.done(replace(RECORD, method="POST", status=504, backend="", attempts=3, error="timeout", bytes_in=9))
    metrics.done(replace(RECORD, status=0, error="client_gone"))

    assert {
        'lb_requests_total{backend="a",method="GET",status="2xx"} 2.0',
        'lb_requests_total{backend="",method="POST",status="5xx"} 1.0',
        'lb_requests_total{backend="a",method="GET",status="none"} 1.0',
        "lb_attempts_total 6.0",
        'lb_errors_total{reason="timeout"} 1.0',
        'lb_body_bytes_total{direction="in"} 9.0',
        'lb_body_bytes_total{direction="out"} 480.0',
    } <= lines(metrics)


def test_invented_methods_do_not_make_new_series(metrics: Metrics) -> None:
    for number in range(3):
        metrics.done(replace(RECORD, method=f"X{number}"))

    assert 'lb_requests_total{backend="a",method="other",status="2xx"} 3.0' in lines(metrics)


def test_a_duration_falls_into_the_bucket_that_its_bound_closes() -> None:
    timings = Timings()
    for seconds in (0.25, 0.2501, 99.0):
        timings.observe(seconds)

    counts = dict(timings.buckets())

    assert counts["0.1"] == 0
    assert counts["0.25"] == 1, "le: the bound itself belongs to its bucket"
    assert counts["0.5"] == 2
    assert counts["+Inf"] == 3
    assert len(counts) == len(BUCKETS) + 1


def test_decisions_and_checks_are_counted_from_events(metrics: Metrics) -> None:
    metrics.on_event(Probed(1.0, "a", True, 0.002))
    metrics.on_event(Probed(1.0, "a", False, 0.4, "timeout"))
    metrics.on_event(AttemptFailed(1.0, "a", "reset", "GET", retried=True, reason="idempotent"))
    metrics.on_event(AttemptFailed(1.0, "a", "reset", "POST", retried=False, reason="not idempotent"))
    metrics.on_event(Hedged(1.0, "a", "b"))
    metrics.on_event(ProbeWanted(1.0, "a", "stalled"))
    metrics.on_event(Transition(1.0, "a", State.UP, State.DOWN, ""))

    assert {
        'lb_probes_total{backend="a",result="pass"} 1.0',
        'lb_probes_total{backend="a",result="fail"} 1.0',
        'lb_probe_seconds_count{backend="a"} 2.0',
        'lb_attempt_failures_total{backend="a",failure="reset"} 2.0',
        "lb_retries_total 1.0",
        'lb_hedges_total{backend="a"} 1.0',
        'lb_probes_wanted_total{backend="a"} 1.0',
        'lb_transitions_total{backend="a",state="down"} 1.0',
    } <= lines(metrics)


def test_standing_is_read_at_the_scrape(metrics: Metrics) -> None:
    assert {
        'lb_backend_state{backend="a",state="up"} 1.0',
        'lb_backend_state{backend="a",state="down"} 0.0',
        'lb_backend_in_flight{backend="a"} 3.0',
        "lb_panic 0.0",
        "lb_client_connections 7.0",
        'lb_build_info{version="1.2.3"} 1.0',
    } <= lines(metrics)
