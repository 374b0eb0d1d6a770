"""Upper limits of what a policy sends to a failed server, by hand and against a simulation of the policy."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace

import pytest
from support import failover_settings as known
from support.failover_settings import at, checks, passive

from lab.advise.balancing import fast_share, gap, pending_at_most, sent_at_most
from lab.advise.models import model
from lab.advise.prediction import Fault, Prediction, Situation
from lab.balancers.configuration import Balancing, CheckKind, Policy

TURNS, CHANCE, KEY = Balancing(), Balancing(Policy.RANDOM), Balancing(Policy.KEY)
FEWEST = Balancing(Policy.FEWEST)
TWO = Balancing(Policy.FEWEST, draws=2)
ENVOYS = Balancing(Policy.FEWEST, draws=2, repeats=True)
LAB = Situation(servers=3, rate_per_s=200.0, outage_s=60.0)
QUICK = replace(LAB, response_s=0.01)


def simulated(balancing: Balancing, given: Situation, exposed_s: float, hangs_s: float | None, seed: int) -> int:
    """Requests that server 0 gets: arrivals at a constant rate, responses of the others within `response_s`."""
    rng = random.Random(seed)
    pending = [0] * given.servers
    ends: list[tuple[float, int]] = []
    sent, turn = 0, 0
    for number in range(int(exposed_s * given.rate_per_s)):
        now = number / given.rate_per_s
        while ends and ends[0][0] <= now:
            pending[heapq.heappop(ends)[1]] -= 1
        servers = range(given.servers)
        if balancing.draws:
            drawn = (
                rng.choices(servers, k=balancing.draws) if balancing.repeats else rng.sample(servers, balancing.draws)
            )
        elif balancing.policy is Policy.RANDOM:
            drawn = [rng.choice(servers)]
        else:
            turn += 1
            drawn = [(turn + each) % given.servers for each in servers]
        chosen = drawn[0] if balancing.policy is Policy.TURNS else min(drawn, key=lambda each: pending[each])
        sent += chosen == 0
        takes_s = (hangs_s or 0.0) if chosen == 0 else given.response_s * rng.random() ** rng.choice([0.01, 1, 5])
        if takes_s:
            pending[chosen] += 1
            heapq.heappush(ends, (now + takes_s, chosen))
    return sent


@pytest.mark.parametrize("balancing", [TURNS, CHANCE, FEWEST, TWO, ENVOYS], ids=str)
@pytest.mark.parametrize("hangs_s", [None, 0.5, 3.0])
@pytest.mark.parametrize("response_s", [0.004, 0.05, 0.25])
@pytest.mark.parametrize("servers", [2, 3, 8])
def test_no_simulation_exceeds_the_limit(
    balancing: Balancing, hangs_s: float | None, response_s: float, servers: int
) -> None:
    given = replace(LAB, servers=servers, response_s=response_s)
    limit = sent_at_most(balancing, given, 4.0, hangs_s)
    largest = max(simulated(balancing, given, 4.0, hangs_s, seed) for seed in range(20))
    assert largest <= limit + 1  # both ends of the time count
    assert limit <= 4.0 * given.rate_per_s + 100


def test_a_hung_server_gets_few_requests_and_one_that_fails_at_once_gets_many() -> None:
    # Little: 200/s × 0.25 s = 50 pending requests, 25 at each of the two others; so at most 26 at the hung one.
    assert pending_at_most(FEWEST, LAB) == 26
    # In 5 s they time out once, after 3 s: 2 × 26, in place of 5 s × 66.7/s.
    assert sent_at_most(FEWEST, LAB, 5.0, 3.0) == 52
    assert sent_at_most(TURNS, LAB, 5.0, 3.0) == pytest.approx(5 * 200 / 3)
    # 50 pending requests keep both others busy: everything goes to the server that looks idle.
    assert fast_share(FEWEST, LAB) == 1.0
    # With 2 pending requests, both may still be busy; with 0.4, the share is 1 / (3 − 0.4).
    assert fast_share(FEWEST, QUICK) == 1.0
    assert fast_share(FEWEST, replace(LAB, response_s=0.002)) == pytest.approx(1 / 2.6)
    # It has to be among the two that are drawn.
    assert fast_share(TWO, LAB) == pytest.approx(2 / 3)
    assert fast_share(Balancing(Policy.OTHER), LAB) == 1.0


def test_each_worker_of_nginx_counts_for_itself() -> None:
    assert pending_at_most(replace(FEWEST, counters=4), LAB) == 25 + 4


def test_chance_makes_a_server_wait_for_its_requests() -> None:
    mean, longest = gap(LAB, CHANCE, count=1)
    # The probability that 17 requests miss one of three servers is (2/3)^17 = 0.1 %; after 18 it is less.
    assert (mean.value, longest.value) == (pytest.approx(3 / 200), pytest.approx(18 / 200))
    assert gap(LAB, TURNS)[0] == gap(LAB, TURNS)[1]
    rng = random.Random(1)
    needed = sorted(next(n for n in range(1, 999) if rng.random() < 1 / 3) for _ in range(4000))
    assert needed[int(4000 * 0.99)] <= 18


def predicted(program: str, fault: Fault, balancing: Balancing, given: Situation = LAB) -> Prediction:
    settings = replace(known.HAPROXY_MATCHED, passive=None, balancing=at(balancing))
    return next(each for each in model(program).predict(settings, given) if each.fault is fault)


def test_the_adviser_counts_with_the_policy_and_says_why() -> None:
    turns, fewest = (predicted("haproxy", Fault.PAUSE, each) for each in (TURNS, FEWEST))
    # Noticed within 1.45 s, time-out 1 s: 26 × 2 requests in place of 1.45 s × 66.7/s.
    assert (turns.risk.sent, fewest.risk.sent) == (97, 52)
    assert fewest.notes == (
        "at most 26 requests at a time wait for the server, because it is the busiest (healthy servers answer within "
        "0.25 s)",
    )
    errors = predicted("haproxy", Fault.ERROR, FEWEST)
    assert errors.notes == ("the server looks idle because it fails at once, so it may get 100% of the requests",)
    assert errors.risk.sent == pytest.approx(3 * predicted("haproxy", Fault.ERROR, TURNS).risk.sent, abs=3)


def test_live_traffic_notices_a_hung_server_one_request_at_a_time() -> None:
    by_traffic = replace(known.HAPROXY_MATCHED, checks=None, passive=passive(5, known.ALL, 10.0))
    for balancing, worst_s in ((TURNS, 5 * 3 / 200 + 1.0), (FEWEST, 5 * (3 / 200 + 1.0))):
        settings = replace(by_traffic, balancing=at(balancing))
        found = next(each for each in model("nginx").predict(settings, LAB) if each.fault is Fault.PAUSE)
        assert found.notice.worst is not None
        assert found.notice.worst.seconds == pytest.approx(worst_s + 0.05)
    # A window that forgets a failure before the next one can come.
    forgets = replace(by_traffic, passive=passive(5, known.ALL, 10.0, window_s=at(3.0)), balancing=at(FEWEST))
    found = next(each for each in model("nginx").predict(forgets, LAB) if each.fault is Fault.PAUSE)
    assert found.notice.worst is None
    assert "5 failures may take longer than the 3 s that they count" in found.notice.by


def test_a_policy_that_may_ask_nobody_is_no_detector() -> None:
    settings = replace(
        known.HAPROXY_MATCHED, checks=checks(1, 1, 1, 1, kind=CheckKind.TCP), balancing=at(Balancing(Policy.OTHER))
    )
    found = next(each for each in model("traefik").predict(settings, LAB) if each.fault is Fault.ERROR)
    assert found.notice.worst is None
    assert "the policy may send all requests to one server" in found.notes


def test_a_retry_returns_to_the_server_that_looks_idle() -> None:
    # Caddy lets the policy choose again. In turn, one of three retries meets the dead server; two do so once in 9.
    for balancing, share in ((TURNS, 1 / 9), (FEWEST, 1.0), (TWO, 4 / 9)):
        settings = replace(known.CADDY_MATCHED, passive=None, balancing=at(balancing))
        found = next(each for each in model("caddy").predict(settings, LAB) if each.fault is Fault.KILL)
        assert found.get.failed_share == pytest.approx(share)
