"""What is sent when follows from the plan alone."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise
from random import Random

import pytest

from lab.traffic.pacer import constant, due_times, poisson
from lab.traffic.schedule import Renderer, arrivals
from tests.support.lab_plans import GET, POST, load, plan, traffic_only


def test_constant_pacing_does_not_drift() -> None:
    assert next(islice(constant(300.0), 30_000, None)) == 100.0


def test_poisson_pacing_keeps_the_rate_and_varies_the_gaps() -> None:
    times = [*islice(poisson(200.0, Random(1)), 10_000)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    # Gaps are exponential: their mean is known to 1 % from 10,000, their deviation equals their mean.
    assert mean == pytest.approx(1 / 200, rel=0.05)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.1)


def test_an_unknown_pacing_is_refused() -> None:
    with pytest.raises(ValueError, match="bursty"):
        due_times("bursty", 1.0, Random(1))


@pytest.mark.parametrize("pacing", ["constant", "poisson"])
def test_the_same_plan_gives_the_same_requests_and_another_seed_others(pacing: str) -> None:
    first = plan(load=load(pacing=pacing))
    assert [*arrivals(first)] == [*arrivals(first)]
    assert [*arrivals(first)] != [*arrivals(replace(first, seed=2))]


def test_traffic_ends_with_the_plan() -> None:
    found = [*arrivals(traffic_only(2.0))]
    assert len(found) == 400
    assert found[-1].due < 2.0


def test_the_mix_is_kept() -> None:
    found = [*arrivals(traffic_only(50.0))]
    jobs = sum(arrival.kind == POST for arrival in found) / len(found)
    assert jobs == pytest.approx(0.1, abs=0.015)  # three standard errors of 10,000 draws at 10 %


def test_a_get_as_bytes() -> None:
    arrival = next(arrivals(traffic_only(1.0, mix=(replace(GET, share=1.0),))))
    message = Renderer("127.0.0.1:8080", "r1", keep_alive=True).render(arrival)
    assert message.payload == b"GET /work?sleep_ms=2 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nX-Request-Id: r1-0\r\n\r\n"
    assert message.invocation == '"method":"GET","path":"/work?sleep_ms=2","key":null'


def test_paths_begin_with_the_prefix_of_the_target_but_not_in_the_history() -> None:
    arrival = next(arrivals(traffic_only(1.0, mix=(replace(GET, share=1.0),))))
    message = Renderer("h:1", "r1", keep_alive=True, prefix="/v1").render(arrival)
    assert message.payload.startswith(b"GET /v1/work?sleep_ms=2 HTTP/1.1\r\n")
    assert '"path":"/work?sleep_ms=2"' in message.invocation


def test_a_job_as_bytes() -> None:
    arrival = next(arrivals(traffic_only(1.0, mix=(replace(POST, share=1.0),))))
    head, body = Renderer("h:1", "r1", keep_alive=False).render(arrival).payload.split(b"\r\n\r\n")
    assert body == b'{"id": "r1-0"}'
    assert b"\r\nContent-Length: 14" in head
    assert b"\r\nConnection: close" in head
