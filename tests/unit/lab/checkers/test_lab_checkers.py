"""Every checker with a run that it must pass, and with the runs that it must not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.evidence.events import Event, Events
from lab.evidence.record import RunRecord
from lab.evidence.verdict import Check, Phase, RunVerdict, Verdict, Work
from lab.judge.checkers import (
    attribution,
    budgets,
    clocks,
    completeness,
    fault_bit,
    generator_lag,
    idempotent_ok,
    not_vacuous,
    punctuality,
    readmit_within_bound,
    reroute_within_bound,
    work,
)
from lab.judge.checkers.registry import CHECKERS
from lab.judge.judge import is_unknown_because_of_host, judge
from tests.support.lab_plans import EXPECT, plan
from tests.support.lab_records import (
    BOUND,
    HEALED,
    INJECTED,
    READMIT_BOUND,
    bounds,
    clock,
    executed,
    fault_event,
    job,
    ledger,
    request,
    run,
    targets,
    transition,
    via,
)

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def phases(record: RunRecord) -> list[Phase]:
    return [each.phase for each in attribution.attribute(record)]


class TestFaultBit:
    def test_a_verified_fault_passes_with_its_evidence(self) -> None:
        check = fault_bit.check(run(fault_event()))
        assert (check.verdict, check.detail) == (PASS, "pause on api-1: silent for 300 ms")

    @pytest.mark.parametrize(
        "flaw",
        [{"bit": False}, {"bit": None}, {"injected_at": None, "error": "no such mechanism"}, {"healed_at": None}],
    )
    def test_anything_less_is_unknown(self, flaw: dict[str, object]) -> None:
        assert fault_bit.check(run(fault_event(**flaw))).verdict is UNKNOWN

    def test_a_planned_fault_without_a_trace_is_unknown(self) -> None:
        assert fault_bit.check(run()).verdict is UNKNOWN


class TestReroute:
    def test_within_the_bound(self) -> None:
        record = run(fault_event(), request(INJECTED + BOUND - 0.01, **via("api-1", "api-2")))
        assert reroute_within_bound.check(record).verdict is PASS

    def test_beyond_the_bound(self) -> None:
        record = run(fault_event(), request(INJECTED + BOUND + 0.01, **via("api-1", "api-2")))
        check = reroute_within_bound.check(record)
        assert check.verdict is FAIL
        assert "1.410 s, bound 1.400 s" in check.detail

    def test_the_uncertainty_of_the_clocks_is_granted(self) -> None:
        late = request(INJECTED + BOUND + 0.01, **via("api-1", "api-2"))
        assert reroute_within_bound.check(run(fault_event(), late, clock(0, error_s=0.02))).verdict is PASS

    @pytest.mark.parametrize("flaw", [{"bit": False}, {"backends": []}, {"kind": "earthquake"}])
    def test_what_cannot_be_judged_is_unknown(self, flaw: dict[str, object]) -> None:
        record = run(fault_event(**flaw), request(6.9, **via("api-1")))
        assert reroute_within_bound.check(record).verdict is UNKNOWN

    def test_a_promise_that_needs_traffic_counts_where_there_is_no_other(self) -> None:
        """A lying backend passes every probe: only traffic can show it, and a run has traffic."""
        promise = bounds(reroute_s=None, reroute_traffic_s=0.5)
        in_time = request(INJECTED + 0.4, **via("api-1", "api-2"))
        late = request(INJECTED + 0.6, **via("api-1", "api-2"))
        assert reroute_within_bound.check(run(fault_event(), promise, in_time)).verdict is PASS
        assert reroute_within_bound.check(run(fault_event(), promise, late)).verdict is FAIL

    def test_no_promise_at_all_is_unknown(self) -> None:
        promise = bounds(reroute_s=None, reroute_traffic_s=None, readmit_s=None)
        record = run(fault_event(), promise, request(6.9, **via("api-1")))
        assert reroute_within_bound.check(record).verdict is UNKNOWN
        assert readmit_within_bound.check(record).verdict is UNKNOWN


class TestReadmit:
    BACK = request(HEALED + 0.6, **via("api-1"))

    def test_within_the_bound_and_serving(self) -> None:
        record = run(fault_event(), transition(HEALED + 0.5, "up"), self.BACK)
        assert readmit_within_bound.check(record).verdict is PASS

    def test_beyond_the_bound(self) -> None:
        late = HEALED + READMIT_BOUND + 0.1
        record = run(fault_event(), transition(late, "up"), request(late + 0.1, **via("api-1")))
        assert readmit_within_bound.check(record).verdict is FAIL

    def test_called_up_but_never_used(self) -> None:
        record = run(fault_event(), transition(HEALED + 0.5, "up"), request(HEALED + 2))
        check = readmit_within_bound.check(record)
        assert check.verdict is FAIL
        assert "never answered" in check.detail

    def test_not_back_although_watched_for_longer_than_the_bound(self) -> None:
        assert readmit_within_bound.check(run(fault_event(), request(HEALED + 2))).verdict is FAIL

    def test_not_watched_for_long_enough_is_unknown(self) -> None:
        assert readmit_within_bound.check(run(fault_event(), request(HEALED + 0.1))).verdict is UNKNOWN


class TestIdempotent:
    def test_a_failed_job_is_not_its_business(self) -> None:
        assert idempotent_ok.check(run(request(3), job(3.1, "fail"))).verdict is PASS

    @pytest.mark.parametrize("outcome", ["fail", "unknown", ""])
    def test_a_get_must_succeed(self, outcome: str) -> None:
        assert idempotent_ok.check(run(request(3, outcome))).verdict is FAIL

    def test_the_warm_up_is_excluded(self) -> None:
        assert idempotent_ok.check(run(request(0.5, "fail"), request(3))).verdict is PASS


class TestBudgets:
    @pytest.mark.parametrize(("failures", "verdict"), [(1, PASS), (2, FAIL)])
    def test_the_error_budget_is_a_share_of_all_requests(self, failures: int, verdict: Verdict) -> None:
        wanted = plan(expect={**EXPECT, "error_budget": "1%"})
        requests = [request(2 + n / 100, "fail" if n < failures else "ok") for n in range(100)]
        assert budgets.check(run(*requests, wanted=wanted)).verdict is verdict

    def test_slow_answers_have_their_own_budget(self) -> None:
        wanted = plan(expect={**EXPECT, "slow_budget": "0%"})
        assert budgets.check(run(request(3, took=0.3), wanted=wanted)).verdict is FAIL
        assert budgets.check(run(request(3, took=0.2), wanted=wanted)).verdict is PASS


class TestWork:
    def test_every_job_once(self) -> None:
        record = run(job(2.0), executed(2.004, "job-2.0"), ledger())
        assert work.check(record).verdict is PASS
        assert (work.count(record).sent, work.count(record).executed) == (1, 1)

    def test_acknowledged_but_in_no_ledger_is_lost(self) -> None:
        record = run(job(2.0), ledger())
        assert (work.check(record).verdict, work.count(record).lost) == (FAIL, 1)

    def test_twice_in_the_ledgers_is_duplicated(self) -> None:
        record = run(job(2.0), executed(2.001, "job-2.0", "api-1"), executed(2.004, "job-2.0"), ledger())
        assert (work.check(record).verdict, work.count(record).duplicated) == (FAIL, 1)

    def test_executed_after_the_client_was_told_no_is_a_zombie(self) -> None:
        record = run(job(3.5, "fail", took=1.0), executed(7.0, "job-3.5", "api-1"), ledger())
        assert (work.check(record).verdict, work.count(record).zombie) == (FAIL, 1)

    def test_executed_before_the_client_was_told_no_is_not(self) -> None:
        record = run(job(3.5, "unknown", took=1.0), executed(3.6, "job-3.5", "api-1"), ledger())
        assert work.check(record).verdict is PASS

    def test_other_runs_in_the_ledger_do_not_matter(self) -> None:
        record = run(job(2.0), executed(2.004, "job-2.0"), executed(1, "else"), executed(2, "else"), ledger())
        assert work.check(record).verdict is PASS

    def test_no_ledger_is_unknown(self) -> None:
        assert work.check(run(job(2.0))).verdict is UNKNOWN
        assert work.count(run(job(2.0))) == Work(sent=1, executed=None, lost=None, duplicated=None, zombie=None)
        assert work.count(run(request(2.0))) == Work()


class TestAttribution:
    def test_before_detection(self) -> None:
        record = run(fault_event(), transition(3.5, "down"), request(3.2, "fail", **via("api-1")))
        assert phases(record) == [Phase.BEFORE_DETECTION]

    def test_on_its_way_when_the_fault_began(self) -> None:
        record = run(fault_event(), request(2.99, took=1.0, **via("api-1", "api-2")))
        assert phases(record) == [Phase.DRAINING]

    def test_after_detection_within_the_bound(self) -> None:
        record = run(fault_event(), transition(3.5, "down"), request(3.6, "fail", **via("api-1")))
        assert phases(record) == [Phase.DRAINING]

    def test_after_the_bound(self) -> None:
        record = run(fault_event(), request(INJECTED + BOUND + 0.1, "fail", **via("api-1")))
        assert phases(record) == [Phase.AFTER_BOUND]

    @pytest.mark.parametrize(
        "innocent",
        [
            request(3.2, "fail", status=500, **via("api-2")),
            request(8.0, "fail", **via("api-1")),
            request(2.0, took=0.3, **via("api-1")),
            request(3.2, "fail", tried=(), backend=None, instance=None, status=None, error="refused"),
        ],
        ids=["another backend", "after the heal", "before the fault", "the balancer itself"],
    )
    def test_what_no_fault_explains_fails_the_run(self, innocent: object) -> None:
        record = run(fault_event(), innocent)  # type: ignore[arg-type] # parametrized requests
        assert phases(record) == [Phase.UNEXPLAINED]
        check = attribution.check(record)
        assert check.verdict is FAIL
        assert "Unexplained: #" in check.detail

    def test_a_slow_answer_while_the_host_stood_still_is_held_against_nobody(self) -> None:
        late = request(2.0, took=0.3, **via("api-2"))
        stall = Event(2.28, "lab", "stall", {"since": 2.05, "late_s": 0.21})
        assert attribution.check(run(late, stall)).verdict is UNKNOWN
        assert attribution.check(run(late)).verdict is FAIL

    def test_a_slow_answer_while_the_lab_injects_on_a_busy_host_is_the_labs_doing(self) -> None:
        late = request(2.8, took=0.3, **via("api-2"))
        stall = Event(2.95, "lab", "stall", {"since": 2.85, "cpu_pressure": 0.97})
        fault = fault_event(requested_at=2.7, target="api-1")
        assert phases(run(fault, late, stall)) == [Phase.INJECTING]
        assert attribution.check(run(fault, late, stall)).verdict is PASS
        assert phases(run(fault, late)) == [Phase.UNEXPLAINED]
        assert phases(run(fault_event(requested_at=2.95), request(2.5, took=0.3), stall)) == [Phase.UNEXPLAINED]

    def test_a_killed_process_is_gone_before_its_runtime_says_so(self) -> None:
        fault = fault_event(requested_at=INJECTED - 0.010)
        cut = request(INJECTED - 0.004, "fail", took=0.002, status=502, error="reset", **via("api-1"))
        assert phases(run(fault, cut)) == [Phase.INJECTING]
        elsewhere = request(INJECTED - 0.004, "fail", took=0.002, status=502, error="reset", **via("api-2"))
        before = request(INJECTED - 0.040, "fail", took=0.002, status=502, error="reset", **via("api-1"))
        late = request(INJECTED - 0.300, took=0.295, **via("api-1"))
        assert phases(run(fault, elsewhere, before, late)) == [Phase.UNEXPLAINED] * 3

    def test_a_container_that_comes_back_elsewhere_is_asked_before_it_listens(self) -> None:
        fault = fault_event(backends_after=["moved"], heal_started_at=HEALED - 1.0)
        early = request(HEALED - 0.5, "fail", status=502, error="refused", **via("moved"))
        assert phases(run(fault, early)) == [Phase.AFTER_BOUND]
        still_anothers = request(HEALED - 1.5, "fail", status=502, error="refused", **via("moved"))
        healed = request(HEALED + 0.1, "fail", status=502, error="refused", **via("moved"))
        assert phases(run(fault, still_anothers, healed)) == [Phase.UNEXPLAINED] * 2

    def test_while_a_helper_starts_nothing_bites_yet(self) -> None:
        fault = fault_event(requested_at=INJECTED - 1.0)
        early = request(INJECTED - 0.6, "fail", took=0.002, status=502, error="reset", **via("api-1"))
        assert phases(run(fault, early)) == [Phase.UNEXPLAINED]

    def test_a_failure_is_not_excused_by_a_busy_host(self) -> None:
        failed = request(2.0, "fail", took=0.3, sent=2.1)
        stall = Event(2.28, "lab", "stall", {"since": 2.05, "late_s": 0.21})
        assert attribution.check(run(failed, stall)).verdict is FAIL

    def test_a_timeout_whose_way_nobody_knows_is_put_down_to_the_fault_it_overlaps(self) -> None:
        lost = request(3.2, "unknown", took=3.0, tried=(), backend=None, instance=None, status=None, error="timeout")
        assert phases(run(fault_event(), lost)) == [Phase.BEFORE_DETECTION]


class TestTheRecordItself:
    def test_whole(self) -> None:
        assert completeness.check(run(request(3))).verdict is PASS
        assert "1 requests (warm-up included)" in completeness.check(run(request(3))).detail

    def test_an_invocation_without_outcome(self) -> None:
        assert completeness.check(run(request(3, ""))).verdict is UNKNOWN

    def test_a_damaged_history(self) -> None:
        assert completeness.check(run(request(3), defects=("history.jsonl line 9 is incomplete",))).verdict is UNKNOWN

    def test_an_interrupted_run_is_unknown_even_when_a_check_fails(self) -> None:
        record = run(fault_event(), request(3, "fail"))
        cut = RunRecord(
            record.plan, record.history, Events(tuple(e for e in record.events.all if e.type != "run_ended"))
        )
        assert judge(cut).verdict is UNKNOWN

    @pytest.mark.parametrize(("lag", "verdict"), [(0.004, PASS), (0.006, UNKNOWN)])
    def test_a_generator_behind_its_schedule_is_no_witness(self, lag: float, verdict: Verdict) -> None:
        assert generator_lag.check(run(request(3, sent=3 + lag))).verdict is verdict

    @pytest.mark.parametrize(("began", "verdict"), [(3.04, PASS), (3.06, UNKNOWN)])
    def test_a_step_that_began_late_is_not_the_planned_one(self, began: float, verdict: Verdict) -> None:
        step = Event(began, "lab", "step", {"step": 0, "at": 3.0})
        assert punctuality.check(run(step)).verdict is verdict
        assert punctuality.check(run()).verdict is UNKNOWN

    def test_a_clock_that_stepped_is_no_witness(self) -> None:
        assert clocks.check(run(clock(0), clock(10, offset_s=0.001))).verdict is PASS
        assert clocks.check(run(clock(0), clock(10, offset_s=0.1))).verdict is UNKNOWN
        assert clocks.check(run()).verdict is UNKNOWN

    def test_nor_is_a_run_during_which_the_hosts_clock_was_set(self) -> None:
        found = clocks.check(run(clock(0), Event(4.0, "lab", "wall_step", {"by_s": -3600.0})))
        assert found.verdict is UNKNOWN
        assert found.detail == "the host's clock was set during the run: by -3600.000 s at 4.000 s"

    def test_a_fail_by_clocks_that_stepped_is_not_believed(self) -> None:
        late = (fault_event(), request(6.0, "fail", **via("api-1")))
        assert judge(run(*late, clock(0))).verdict is FAIL
        assert judge(run(*late, clock(0), clock(10, offset_s=0.1))).verdict is UNKNOWN


class TestNotVacuous:
    SERVED = (request(2.0, **via("api-1")), request(2.1, **via("api-2")))

    def test_enough_at_stake(self) -> None:
        during = [request(3 + n / 10) for n in range(not_vacuous.ENOUGH)]
        assert not_vacuous.check(run(fault_event(), targets("api-1", "api-2"), *self.SERVED, *during)).verdict is PASS

    def test_too_little_traffic_during_the_fault(self) -> None:
        record = run(fault_event(), targets("api-1", "api-2"), *self.SERVED, request(3.5))
        assert not_vacuous.check(record).verdict is UNKNOWN

    def test_a_backend_that_never_served(self) -> None:
        during = [request(3 + n / 10) for n in range(20)]
        record = run(fault_event(), targets("api-1", "api-2", "api-3"), *self.SERVED, *during)
        check = not_vacuous.check(record)
        assert check.verdict is UNKNOWN
        assert "api-3 served nothing" in check.detail


def test_a_checker_that_crashes_is_unknown_with_its_exception() -> None:
    def broken(_: RunRecord) -> Check:
        raise ZeroDivisionError("no requests, no rate")

    verdict = judge(run(request(3)), {"broken": broken})
    assert verdict.verdict is UNKNOWN
    assert verdict.checks[0].detail == "the checker crashed: ZeroDivisionError: no requests, no rate"


def test_an_empty_run_passes_nothing_that_needs_evidence() -> None:
    record = RunRecord(plan(), run().history, Events((Event(0.0, "lab", "run_ended"),)))
    assert judge(record).verdict is UNKNOWN
    assert {checker.NAME for checker in CHECKERS} == {check.name for check in judge(record).checks}


class TestUnknownBecauseOfTheHost:
    def test_only_what_a_busy_host_left_open_is_worth_a_repeat(self) -> None:
        verdict = judge_of(Check("work", PASS, ""), Check("generator_lag", UNKNOWN, ""))
        assert is_unknown_because_of_host(verdict)

    @pytest.mark.parametrize(
        "open_check", [Check("generator_lag", FAIL, ""), Check("fault_bit", UNKNOWN, ""), Check("work", FAIL, "")]
    )
    def test_anything_else_is_an_answer(self, open_check: Check) -> None:
        assert not is_unknown_because_of_host(judge_of(Check("attribution", UNKNOWN, ""), open_check))

    def test_a_passed_run_is_not_repeated(self) -> None:
        assert not is_unknown_because_of_host(judge_of(Check("work", PASS, "")))


def judge_of(*checks: Check) -> RunVerdict:
    return replace(judge(run(request(3))), checks=checks)
