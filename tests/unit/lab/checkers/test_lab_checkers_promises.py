"""What a balancer promises beyond rerouting: spread, stickiness, whole answers, a retry budget, silence to the dead."""

from __future__ import annotations

from typing import Any

import pytest

from lab.evidence.events import Event
from lab.evidence.history import Request
from lab.evidence.record import RunRecord
from lab.evidence.verdict import Verdict
from lab.judge.checkers import (
    answered,
    completeness,
    distribution,
    ejections,
    latency,
    no_dead_traffic,
    retry_budget,
    stickiness,
    truncation,
)
from lab.scenario.plan import Plan
from tests.support.lab_plans import EXPECT, plan
from tests.support.lab_records import fault_event, request, run, transition, via

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def expecting(**changes: Any) -> Plan:
    return plan(expect={**EXPECT, **changes})


def config(**settings: Any) -> Event:
    retry = {"budget": "20%", "budget_min_per_s": 3.0, "budget_window": "10s"}
    return Event(0.0, "lab", "config", {"config": {"policy": "round_robin", "retry": retry, **settings}})


def backends(**weights: float) -> Event:
    return Event(
        0.0, "lab", "backends", {"backends": [{"id": name, "weight": weight} for name, weight in weights.items()]}
    )


def told(kind: str, t: float, **data: Any) -> Event:
    return Event(t, "lb", kind, data)


class TestNoDeadTraffic:
    OUT = (transition(3.0, "down"), transition(7.0, "up"))

    def verdict(self, *facts: Request | Event) -> Verdict:
        return no_dead_traffic.check(run(*facts)).verdict

    def test_nothing_goes_to_a_backend_that_is_out(self) -> None:
        assert self.verdict(*self.OUT, request(2.9, **via("api-1")), request(5.0), request(7.1, **via("api-1"))) is PASS

    @pytest.mark.parametrize("state", ["down", "ejected", "maint", "drain", "unknown"])
    def test_a_request_on_a_backend_that_is_out_all_along_fails(self, state: str) -> None:
        facts = (transition(3.0, state), transition(7.0, "up"))
        assert self.verdict(*facts, request(5.0, **via("api-1", "api-2"))) is FAIL

    def test_what_was_on_its_way_when_it_was_taken_out_is_granted(self) -> None:
        assert self.verdict(*self.OUT, request(2.999, **via("api-1"), took=0.5)) is PASS

    def test_the_edges_have_a_margin(self) -> None:
        assert self.verdict(*self.OUT, request(3.01, **via("api-1"))) is PASS
        assert self.verdict(*self.OUT, request(3.03, **via("api-1"))) is FAIL

    def test_from_down_to_ejected_is_still_out(self) -> None:
        facts = (transition(3.0, "ejected"), transition(4.0, "down"), transition(7.0, "up"))
        assert self.verdict(*facts, request(4.5, **via("api-1"))) is FAIL

    def test_in_panic_everything_may_be_tried(self) -> None:
        panic = (told("panic_changed", 4.0, active=True), told("panic_changed", 6.0, active=False))
        assert self.verdict(*self.OUT, *panic, request(5.0, **via("api-1"))) is PASS
        assert self.verdict(*self.OUT, *panic, request(6.5, **via("api-1"))) is FAIL

    def test_a_session_may_finish_on_a_draining_backend_and_on_no_other(self) -> None:
        drain = (transition(3.0, "drain"), transition(7.0, "up"))
        assert self.verdict(*drain, request(5.0, **via("api-1"), session=4)) is PASS
        assert self.verdict(*self.OUT, request(5.0, **via("api-1"), session=4)) is FAIL

    def test_a_balancer_that_tells_nothing_is_not_judged(self) -> None:
        assert self.verdict(request(5.0, **via("api-1"))) is PASS


class TestRetryBudget:
    """1,000 requests in 10 s grant 0.2 × 1000 + 3 × 10 = 230 retries."""

    def check(self, retried: int, *more: Request) -> tuple[Verdict, str]:
        load = [request(n / 100, **(via("api-1", "api-2") if n < retried else via("api-2"))) for n in range(1000)]
        found = retry_budget.check(run(config(), *load, *more))
        return found.verdict, found.detail

    def test_within(self) -> None:
        load = [request(n / 100, **(via("api-1", "api-2") if n % 5 == 0 else via("api-2"))) for n in range(1000)]
        found = retry_budget.check(run(config(), *load))
        assert (found.verdict, "allowed" in found.detail) == (PASS, True)

    def test_every_window_counts_not_only_the_whole_run(self) -> None:
        assert self.check(30)[0] is PASS
        assert self.check(60)[0] is FAIL, "60 of the first 60, and 12 + 30 were allowed by then"

    def test_a_hedge_counts_as_well(self) -> None:
        load = [request(n / 100, **via("api-1", "api-3", "api-2")) for n in range(20)]
        assert retry_budget.check(run(config(), *load)).verdict is FAIL, "40 retries, 4 + 30 allowed"

    def test_what_may_have_been_retried_before_the_window_is_not_held_against_it(self) -> None:
        early = [request(0.0 + n / 1000, **via("api-1", "api-2"), took=10.5) for n in range(28)]
        late = [request(10.9 + n / 1000, **via("api-1", "api-2"), took=0.05) for n in range(28)]
        assert retry_budget.check(run(config(), *early, *late)).verdict is PASS

    def test_shares_may_be_written_as_percent(self) -> None:
        retry = {"budget": "20%", "budget_min_per_s": 3, "budget_window": "10s"}
        load = [request(n / 100, **via("api-1", "api-2")) for n in range(60)]
        assert retry_budget.check(run(config(retry=retry), *load)).verdict is FAIL

    def test_a_balancer_without_a_budget_is_not_judged(self) -> None:
        assert retry_budget.check(run(request(1.0, **via("api-1", "api-2")))).verdict is PASS


class TestTruncation:
    def verdict(self, path: str, size: int | None, outcome: str = "ok") -> Verdict:
        return truncation.check(run(request(4.0, outcome, path=path, size=size))).verdict

    @pytest.mark.parametrize(
        ("path", "whole"),
        [("/work?bytes=1000", 1000), ("/stream?chunks=3&interval_ms=1&bytes=7", 21), ("/stream", 10240)],
    )
    def test_a_short_or_long_answer_that_looks_whole_fails(self, path: str, whole: int) -> None:
        assert self.verdict(path, whole) is PASS
        assert self.verdict(path, whole - 1) is FAIL
        assert self.verdict(path, whole + 1) is FAIL

    def test_a_cut_that_the_client_saw_is_visible(self) -> None:
        assert self.verdict("/work?bytes=1000", 10, "unknown") is PASS

    def test_of_other_paths_nobody_knows_the_length(self) -> None:
        assert self.verdict("/work?sleep_ms=2", 10) is PASS
        assert self.verdict("/work?bytes=1000", None) is PASS


class TestDistribution:
    def spread(self, policy: str = "round_robin", weights: dict[str, float] | None = None, **counts: int) -> Verdict:
        names = [name.replace("_", "-") for name, count in counts.items() for _ in range(count)]
        load = [request(1.0 + n * 1.9 / len(names), **via(name)) for n, name in enumerate(names)]
        listed = backends(**(weights or {"api-1": 1.0, "api-2": 1.0, "api-3": 1.0}))
        return distribution.check(
            run(config(policy=policy), listed, *load, wanted=expecting(distribution="policy"))
        ).verdict

    def test_even(self) -> None:
        assert self.spread(api_1=133, api_2=134, api_3=133) is PASS

    def test_what_chance_can_do_is_granted(self) -> None:
        assert self.spread("random", api_1=160, api_2=120, api_3=120) is PASS

    def test_one_backend_with_half_of_it_is_not_even(self) -> None:
        assert self.spread(api_1=200, api_2=100, api_3=100) is FAIL

    def test_a_backend_without_traffic(self) -> None:
        assert self.spread(api_1=200, api_2=200, api_3=0) is FAIL

    def test_weights_count_where_the_policy_heeds_them(self) -> None:
        weights = {"api-1": 2.0, "api-2": 1.0, "api-3": 1.0}
        assert self.spread("weighted", weights, api_1=200, api_2=100, api_3=100) is PASS
        assert self.spread("weighted", weights, api_1=134, api_2=133, api_3=133) is FAIL

    def test_policies_that_follow_the_load_must_starve_nobody(self) -> None:
        assert self.spread("p2c", api_1=200, api_2=110, api_3=90) is PASS
        assert self.spread("p2c", api_1=200, api_2=190, api_3=10) is FAIL

    def test_policies_that_pick_by_key_and_too_few_requests_are_no_evidence(self) -> None:
        assert self.spread("maglev", api_1=400, api_2=0, api_3=0) is UNKNOWN
        assert self.spread(api_1=4, api_2=4, api_3=4) is UNKNOWN

    @pytest.mark.parametrize(
        ("policy", "reason"),
        [("ring_hash", "it picks by key"), ("prequal", "it prefers the fastest"), ("acme", "it is not known")],
    )
    def test_a_policy_without_a_promise_says_why_it_is_not_judged(self, policy: str, reason: str) -> None:
        listed = backends(**{"api-1": 1.0, "api-2": 1.0})
        found = distribution.check(run(config(policy=policy), listed, wanted=expecting(distribution="policy")))
        assert found.verdict is UNKNOWN
        assert reason in found.detail

    def test_traffic_from_the_fault_on_does_not_count(self) -> None:
        calm = [request(1.0 + n / 200, **via(f"api-{n % 3 + 1}")) for n in range(300)]
        faulted = [request(3.1 + n / 200, **via("api-2")) for n in range(500)]
        facts = (config(), backends(**{"api-1": 1, "api-2": 1, "api-3": 1}), fault_event(), *calm, *faulted)
        assert distribution.check(run(*facts, wanted=expecting(distribution="policy"))).verdict is PASS

    def test_only_when_asked(self) -> None:
        assert distribution.check(run()).verdict is PASS

    @pytest.mark.parametrize(("freedom", "x"), [(1, 3.841), (2, 5.991), (3, 7.815), (4, 9.488), (7, 14.067)])
    def test_the_tail_is_that_of_the_tables(self, freedom: int, x: float) -> None:
        assert distribution.chi2_survival(x, freedom) == pytest.approx(0.05, abs=2e-5)


class TestStickiness:
    def verdict(self, *facts: Request | Event) -> Verdict:
        return stickiness.check(run(*facts, wanted=expecting(sticky="kept"))).verdict

    def at(self, due: float, *tried: str, session: int = 1, **changes: Any) -> Request:
        return request(due, id=int(due * 1000) + session, **via(*tried), session=session, **changes)

    def test_a_session_stays(self) -> None:
        assert self.verdict(*(self.at(t, "api-1") for t in (1.0, 2.0, 3.0)), self.at(2.0, "api-2", session=2)) is PASS

    def test_a_move_without_need_fails(self) -> None:
        assert self.verdict(self.at(1.0, "api-1"), self.at(2.0, "api-2")) is FAIL

    def test_home_was_out(self) -> None:
        out = (transition(1.5, "down"), transition(5.0, "up"))
        moved = (self.at(1.0, "api-1"), *out, self.at(2.0, "api-2"))
        assert self.verdict(*moved, self.at(6.0, "api-2")) is PASS
        assert self.verdict(*moved, self.at(6.0, "api-2"), self.at(7.0, "api-3")) is FAIL
        assert self.verdict(self.at(1.0, "api-1"), *out, self.at(6.0, "api-1"), self.at(8.0, "api-2")) is FAIL

    def test_home_was_suspected_tried_or_faulted(self) -> None:
        suspected = (told("suspected", 1.5, backend="api-1"), told("cleared", 2.5, backend="api-1"))
        assert self.verdict(self.at(1.0, "api-1"), *suspected, self.at(2.0, "api-2"), self.at(3.0, "api-1")) is PASS
        assert self.verdict(self.at(1.0, "api-1"), self.at(2.0, "api-1", "api-2")) is PASS
        assert self.verdict(self.at(1.0, "api-1"), fault_event(), self.at(4.0, "api-2")) is PASS

    def test_what_left_before_the_first_cookie_came_is_not_bound(self) -> None:
        both = (self.at(1.0, "api-1", took=0.2), self.at(1.1, "api-2", took=0.01))
        assert self.verdict(*both, self.at(3.0, "api-2")) is PASS
        assert self.verdict(*both, self.at(3.0, "api-3")) is FAIL

    def test_avoiding_a_suspected_home_pins_nothing_so_the_session_may_move_once_more_when_it_is_down(self) -> None:
        doubt = (told("suspected", 1.5, backend="api-1"), transition(1.9, "down"), transition(5.0, "up"))
        moved = (self.at(1.0, "api-1"), *doubt, self.at(1.6, "api-3"), self.at(1.7, "api-3"), self.at(2.5, "api-2"))
        assert self.verdict(*moved, self.at(6.0, "api-2"), self.at(6.5, "api-2")) is PASS
        assert self.verdict(*moved, self.at(6.0, "api-2"), self.at(6.5, "api-3")) is FAIL

    def test_without_sessions_there_is_no_evidence(self) -> None:
        assert self.verdict(request(1.0)) is UNKNOWN


class TestLatency:
    def check(self, *facts: Request | Event, **budgets: dict[str, str]) -> Verdict:
        return latency.check(run(*facts, wanted=expecting(latency=budgets))).verdict

    def load(self, since: float, count: int, took: float) -> list[Request]:
        return [request(since + n / 1000, took=took) for n in range(count)]

    def test_each_side_has_its_own_budget(self) -> None:
        facts = (fault_event(), *self.load(1.0, 100, 0.005), *self.load(4.0, 100, 0.3))
        tight, wide = {"p99": "0.05s"}, {"p99": "0.4s"}
        assert self.check(*facts, outside=tight, inside=wide) is PASS
        assert self.check(*facts, outside=tight, inside=tight) is FAIL
        assert self.check(*facts, outside={"max": "0.004s"}) is FAIL

    def test_a_percentile_looks_away_from_the_rest(self) -> None:
        facts = (*self.load(1.0, 99, 0.005), *self.load(2.0, 1, 0.9))
        assert self.check(*facts, outside={"p99": "0.01s"}) is PASS
        assert self.check(*facts, outside={"max": "0.01s"}) is FAIL

    def test_a_busy_host_makes_it_unknown_only_where_it_makes_the_difference(self) -> None:
        stall = Event(2.2, "lab", "stall", {"since": 1.95})
        facts = (*self.load(1.0, 90, 0.005), *self.load(2.0, 10, 0.3), stall)
        assert self.check(*facts, outside={"p95": "0.01s"}) is UNKNOWN
        assert self.check(*facts, outside={"p95": "0.001s"}) is FAIL

    def test_no_answer_is_no_evidence(self) -> None:
        assert self.check(*self.load(1.0, 5, 0.001), inside={"p50": "1.0s"}) is UNKNOWN

    @pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.51, 3.0), (0.99, 4.0), (1.0, 4.0)])
    def test_nearest_rank(self, share: float, value: float) -> None:
        assert latency.quantile([1.0, 2.0, 3.0, 4.0], share) == value


class TestNumberedEvents:
    def record(self, *numbers: int) -> RunRecord:
        return run(request(1.0), *(told("probed", 1.0 + n / 10, seq=number) for n, number in enumerate(numbers)))

    def test_a_gap_is_a_hole_in_the_record(self) -> None:
        assert completeness.check(self.record(5, 6, 7)).verdict is PASS
        assert completeness.check(self.record(5, 8)).verdict is UNKNOWN
        assert "2 events of lb are missing" in completeness.check(self.record(5, 8)).detail

    def test_a_restart_and_a_little_shuffle_are_none(self) -> None:
        assert completeness.check(self.record(105, 107, 106, 1, 2)).verdict is PASS


class TestEjections:
    def verdict(self, *facts: Request | Event, **expect: Any) -> Verdict:
        return ejections.check(run(*facts, wanted=expecting(**expect))).verdict

    def test_a_fault_explains_the_ejection_of_its_target(self) -> None:
        assert self.verdict(fault_event(), transition(3.2, "down"), transition(7.4, "up")) is PASS

    def test_of_another_backend_or_at_another_time_it_does_not(self) -> None:
        assert self.verdict(fault_event(), transition(3.2, "down", "api-2")) is FAIL
        assert self.verdict(fault_event(), transition(2.0, "down")) is FAIL
        assert self.verdict(fault_event(), transition(7.4, "up"), transition(7.9, "ejected")) is FAIL

    def test_until_it_is_back_it_may_go_out_once_more(self) -> None:
        assert self.verdict(fault_event(), transition(3.2, "ejected"), transition(7.2, "down")) is PASS

    def test_a_scenario_may_forbid_all_of_them(self) -> None:
        assert self.verdict(fault_event(), transition(3.2, "down"), ejected="none") is FAIL

    def test_orders_are_no_ejections(self) -> None:
        assert self.verdict(transition(2.0, "drain"), transition(2.5, "maint"), transition(3.0, "unknown")) is PASS

    @pytest.mark.parametrize(("timeout", "verdict"), [("400ms", UNKNOWN), ("1.5s", UNKNOWN), ("80ms", FAIL)])
    def test_a_host_without_cpu_during_the_deciding_probe_is_unknown(self, timeout: str, verdict: Verdict) -> None:
        """How long that probe may have taken is for the balancer's own configuration to say."""
        stall = Event(1.9, "lab", "stall", {"since": 1.8})
        assert self.verdict(config(health={"timeout": timeout}), transition(2.0, "down"), stall) is verdict

    def test_a_probe_of_unknown_length_is_excused_by_a_stall_at_its_end_only(self) -> None:
        assert self.verdict(transition(2.0, "down"), Event(1.9, "lab", "stall", {"since": 1.8})) is FAIL
        assert self.verdict(transition(2.0, "down"), Event(2.1, "lab", "stall", {"since": 1.8})) is UNKNOWN


class TestAnswered:
    def verdict(self, *facts: Request | Event) -> Verdict:
        return answered.check(run(*facts, wanted=expecting(answer_within="2s"))).verdict

    def test_any_answer_will_do(self) -> None:
        assert self.verdict(request(4.0), request(5.0, "fail", took=1.9)) is PASS

    def test_a_client_that_gave_up_was_left_hanging(self) -> None:
        assert self.verdict(request(4.0), request(5.0, "unknown", took=3.0, error="timeout")) is FAIL

    def test_a_late_answer_on_a_busy_host_is_unknown_and_no_answer_is_not(self) -> None:
        stall = Event(6.0, "lab", "stall", {"since": 5.5})
        assert self.verdict(request(5.0, took=2.1), stall) is UNKNOWN
        assert self.verdict(request(5.0, "unknown", took=3.0, error="timeout"), stall) is FAIL

    def test_without_requests_there_is_no_evidence(self) -> None:
        assert self.verdict() is UNKNOWN


def test_a_new_backend_that_is_still_starting_was_never_taken_out() -> None:
    new = Event(5.0, "lb", "transition", {"backend": "api-4", "old": "unknown", "new": "down"})
    assert ejections.check(run(new)).verdict is Verdict.PASS
    taken = Event(5.0, "lb", "transition", {"backend": "api-4", "old": "up", "new": "down"})
    assert ejections.check(run(taken)).verdict is Verdict.FAIL
