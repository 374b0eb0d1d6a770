from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from lb.core.backend import Backend, State
from lb.core.events import AttemptFailed, Hedged, Probed, ProbeWanted, Transition
from lb.proxy.request_record import RequestRecord, TcpRecord
from lb.telemetry.metrics import Metrics
from lb.telemetry.request_stats import BUCKETS, DurationHistogram, Gauges, RequestStats, RequestTotals

RECORD = RequestRecord("GET", b"/", 200, "a", 1, 0.0, 0.004, 0.003, 0, 120, "", b"id", b"127.0.0.1")


@dataclass
class Balancer:
    backends: Sequence[Backend] = (Backend("a", "h", 1, state=State.UP, in_flight=3),)
    panic: bool = False


@pytest.fixture
def metrics() -> CountingMetrics:
    """With the counts of one data plane, `metrics.counts`."""
    counts = RequestStats()
    made = CountingMetrics(
        Balancer(),
        "1.2.3",
        lambda: [counts.totals(), RequestTotals(requests=Counter({("old", "GET", "2xx"): 4}))],
        lambda: Gauges(connections=7, tunnels=Counter(a=2), in_flight=Counter(a=3)),
        lambda: {"a.pem": 1.8e9},
    )
    made.counts = counts
    return made


class CountingMetrics(Metrics):
    counts: RequestStats


def lines(metrics: Metrics) -> set[str]:
    return set(metrics.exposition().decode().splitlines())


def test_requests_are_counted_by_backend_method_and_class(metrics: CountingMetrics) -> None:
    metrics.counts.done(RECORD)
    metrics.counts.done(RECORD)
    metrics.counts.done(replace(RECORD, method="POST", status=504, backend="", attempts=3, error="timeout", bytes_in=9))
    metrics.counts.done(replace(RECORD, status=0, error="client_gone"))

    assert {
        'lb_requests_total{backend="a",method="GET",status="2xx"} 2.0',
        'lb_requests_total{backend="",method="POST",status="5xx"} 1.0',
        'lb_requests_total{backend="a",method="GET",status="none"} 1.0',
        "lb_attempts_total 6.0",
        'lb_errors_total{reason="timeout"} 1.0',
        'lb_body_bytes_total{direction="in"} 9.0',
        'lb_body_bytes_total{direction="out"} 480.0',
    } <= lines(metrics)


def test_invented_methods_do_not_make_new_series(metrics: CountingMetrics) -> None:
    for number in range(3):
        metrics.counts.done(replace(RECORD, method=f"X{number}"))

    assert 'lb_requests_total{backend="a",method="other",status="2xx"} 3.0' in lines(metrics)


def test_a_duration_falls_into_the_bucket_that_its_bound_closes() -> None:
    timings = DurationHistogram()
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


def test_data_planes_are_added_up(metrics: CountingMetrics) -> None:
    metrics.counts.done(replace(RECORD, backend="old"))

    assert 'lb_requests_total{backend="old",method="GET",status="2xx"} 5.0' in lines(metrics)


def test_tallies_add_up_in_every_field() -> None:
    counts = RequestStats()
    counts.done(replace(RECORD, error="reset", bytes_in=3))
    counts.tcp_done(SESSION)
    one = counts.totals()
    one.dropped_lines = 2
    whole = RequestTotals()
    whole.add(one)
    whole.add(one)

    for name in RequestTotals.__slots__:
        mine, sum_of_both = getattr(one, name), getattr(whole, name)
        if name == "seconds":
            assert sum_of_both["a"].total == 2 * mine["a"].total
            assert sum(sum_of_both["a"].counts) == 2
        elif isinstance(mine, Counter):
            assert sum_of_both == mine + mine
        else:
            assert sum_of_both == 2 * mine > 0, name


SESSION = TcpRecord("a", 1, 0.0, 60.0, 10, 20, "", b"127.0.0.1")


def test_connections_of_tcp_mode_have_counters_of_their_own(metrics: CountingMetrics) -> None:
    metrics.counts.tcp_done(SESSION)
    metrics.counts.tcp_done(replace(SESSION, backend="", error="no_backend", bytes_in=0, bytes_out=0))

    found = lines(metrics)
    assert {
        'lb_tcp_connections_total{backend="a",outcome="ok"} 1.0',
        'lb_tcp_connections_total{backend="",outcome="no_backend"} 1.0',
        'lb_tcp_bytes_total{direction="in"} 10.0',
        'lb_tcp_bytes_total{direction="out"} 20.0',
        'lb_tunnels{backend="a"} 2.0',
    } <= found
    assert 'lb_request_seconds_count{backend="a"} 1.0' not in found, "an hour of a tunnel is no slow request"


def test_certificates_tell_when_they_end(metrics: CountingMetrics) -> None:
    assert 'lb_tls_certificate_expiry_timestamp_seconds{certificate="a.pem"} 1.8e+09' in lines(metrics)
