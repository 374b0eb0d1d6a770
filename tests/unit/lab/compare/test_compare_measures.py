"""One run's numbers, from what its clients saw."""

from __future__ import annotations

import pytest

from lab.compare.measures import herd, measure, spoiled
from lab.evidence.events import Event
from lab.evidence.record import RunRecord
from tests.support.lab_records import executed, fault_event, job, ledger, request, run, targets, via


def opaque(**changes: object) -> dict[str, object]:
    """Nobody tells what was tried."""
    return {"tried": (), "backend": None, **changes}


def seconds(record: RunRecord) -> float | None:
    return measure(record).reroute_s


def test_the_last_late_answer_of_another_replica_ends_the_time_to_reroute() -> None:
    late = request(3.8, took=1.0, **opaque())
    assert seconds(run(fault_event(), late, request(4.5, **opaque()))) == pytest.approx(0.8)


def test_an_answer_of_the_faulted_replica_in_time_still_went_to_it() -> None:
    assert seconds(run(fault_event(), request(4.2, **opaque(instance="api-1")))) == pytest.approx(1.2)


def test_a_retry_that_no_client_notices_is_no_suffering_for_whoever_tells_of_it() -> None:
    assert seconds(run(fault_event(), request(4.0, **via("api-1", "api-2")))) == 0.0


def test_without_a_fault_there_is_nothing_to_measure() -> None:
    assert seconds(run(request(4.0))) is None


def test_back_is_from_working_again_to_its_first_good_answer() -> None:
    told = run(fault_event(), request(6.9, instance="api-1"), request(7.4, instance="api-1", took=0.1))
    assert measure(told).readmit_s == pytest.approx(0.5)


def test_a_backend_that_never_answers_again_was_never_readmitted() -> None:
    assert measure(run(fault_event(), request(8.0))).readmit_s is None


def test_a_failure_counts_as_the_whole_patience_in_the_percentile() -> None:
    good = [request(3.0 + number / 100, id=number) for number in range(98)]
    bad = [request(5.0, "fail", status=502, id=500), request(5.1, "fail", status=502, id=501)]
    record = run(fault_event(), *good, *bad)
    assert measure(record).p99_fault_s == record.plan.load.patience_s


def test_posts_are_told_apart_and_their_work_is_counted() -> None:
    record = run(
        fault_event(), ledger(), job(4.0, "fail", status=502), executed(8.0, "job-4.0"), executed(8.1, "job-4.0")
    )
    told = measure(record, cpu_s=0.002)
    assert (told.failed, told.failed_posts, told.duplicated, told.zombie) == (1, 1, 1, 1)
    assert told.cpu_us == 2000.0


def test_without_a_ledger_work_is_not_counted_as_none() -> None:
    assert measure(run(fault_event())).lost is None


def test_what_a_gray_backend_costs_is_counted_during_the_fault_only() -> None:
    healed = fault_event(heal_started_at=8.0, healed_at=8.0)
    before = [request(1.5 + number / 100, id=number, took=0.004) for number in range(50)]
    late = [request(3.5 + number / 100, id=100 + number, took=0.9, instance="api-1") for number in range(10)]
    second_half = [request(6.9 + number / 1000, id=200 + number, instance="api-1") for number in range(3)]
    others = [request(6.9 + number / 1000, id=300 + number, instance="api-2") for number in range(7)]
    after = request(9.0, id=400, took=0.9)
    told = measure(run(healed, *before, *late, *second_half, *others, after))
    assert told.bad_in_fault == 10
    assert told.gray_share == pytest.approx(0.3)
    assert told.added_p99_s == pytest.approx(0.896)


def test_streams_and_websockets_that_end_early_are_cut_and_take_as_long_as_they_take() -> None:
    long = {"path": "/stream?chunks=20"}
    record = run(
        request(2.0, took=2.0, **long),
        request(2.1, "unknown", **long),
        request(2.2, "unknown", method="WS", path="/ws"),
        request(2.3, "fail", status=502),
    )
    told = measure(record)
    assert (told.cut, told.failed, told.slow) == (2, 1, 0)
    assert measure(run(request(2.0))).cut is None


def told(t: float, change: str, instance: str) -> Event:
    return Event(t, "lab", "told", {"step": 0, "change": change, "instance": instance})


def test_a_new_backend_serves_from_its_first_good_answer_on_and_the_slowest_counts() -> None:
    news = [told(3.0, "added", "api-4"), told(4.0, "added", "api-5"), told(5.0, "removed", "api-1")]
    bad = request(4.05, "fail", status=500, instance="api-5")
    answers = [request(3.1, instance="api-4"), bad, request(4.3, instance="api-5"), request(9.0)]
    assert measure(run(*news, *answers)).serves_s == pytest.approx(0.305)
    never = run(*news, *answers[:2], request(9.0))
    assert measure(never).serves_s == pytest.approx(5.0), "to the last request"
    assert measure(run(request(4.0))).serves_s is None


def test_an_action_that_failed_spoils_the_run() -> None:
    failed = Event(4.0, "lab", "act", {"step": 0, "act": "reload", "error": "POST /load: refused"})
    assert spoiled(run(failed, request(4.0))) == "an operator action failed: POST /load: refused"


def test_a_host_that_delays_the_lab_spoils_the_run_and_mere_pressure_does_not() -> None:
    def stall(t: float, **data: float) -> Event:
        return Event(t, "lab", "stall", {"since": t - 0.2, **data})

    waits = [stall(4.0 + number, cpu_pressure=0.9) for number in range(3)]
    assert spoiled(run(fault_event(), request(4.0), *waits, stall(5.0, late_s=0.2), stall(0.1, late_s=0.9))) == ""
    assert "the host was busy" in spoiled(run(fault_event(), request(4.0), *(stall(t, late_s=0.2) for t in (4.0, 5.0))))


def test_a_herd_is_told_in_fair_shares() -> None:
    back = [request(7.01 + number / 1000, id=number, instance="api-1") for number in range(90)]
    others = [request(7.1, id=900 + number, instance="api-2") for number in range(10)]
    assert herd(run(targets("api-1", "api-2", "api-3"), fault_event(), *back, *others)) == pytest.approx(3.0, abs=0.35)


def test_a_fault_that_did_not_bite_is_no_evidence() -> None:
    assert spoiled(run(fault_event(bit=False), request(4.0))).startswith("pause had no measurable effect")
    assert spoiled(run(fault_event(), request(4.0))) == ""


def test_late_answers_before_the_fault_are_the_hosts_and_spoil_the_run_unless_the_balancer_is_like_that() -> None:
    late, good = request(2.0, took=0.9, id=1), [request(2.0 + number / 100, id=10 + number) for number in range(9)]
    assert spoiled(run(fault_event(), late, *good)) == "1 of 10 requests were bad before any fault: the host was busy"
    assert spoiled(run(fault_event(), request(2.9, took=0.9), *good)) == "", "it met the fault at 3 s"
    assert spoiled(run(fault_event(), late, good[0], request(2.1, took=0.8, id=2))) == ""


def test_what_was_cut_while_the_fault_was_being_injected_met_the_fault() -> None:
    cut, good = (
        request(2.9, "unknown", took=0.05, id=1),
        [request(2.0 + number / 100, id=10 + number) for number in range(9)],
    )
    assert spoiled(run(fault_event(requested_at=2.94), cut, *good)) == ""
    assert spoiled(run(fault_event(requested_at=2.96), cut, *good)).startswith("1 of 10 requests were bad")
