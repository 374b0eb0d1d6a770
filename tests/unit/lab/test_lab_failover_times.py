"""Reroute and readmit times, each as a little history whose answer can be seen."""

from __future__ import annotations

import pytest

from lab.evidence.failover_times import detected_at, first_answer_at, readmit_s, reroute_s
from lab.evidence.record import RunRecord
from tests.support.lab_records import fault_event, request, run, transition, via

SLOW = 0.25


def rerouted(record: RunRecord) -> float | None:
    return reroute_s(record.faults[0], record.measured, SLOW)


def readmitted(record: RunRecord) -> float | None:
    return readmit_s(record.faults[0], record)


def test_no_request_to_the_target_means_that_nothing_had_to_leave() -> None:
    assert rerouted(run(fault_event(), request(3.5))) == 0.0


def test_the_last_request_that_tried_the_target_counts_even_if_another_backend_answered_it_fast() -> None:
    record = run(
        fault_event(), request(3.2, **via("api-1", "api-2")), request(3.4, **via("api-1", "api-3")), request(5)
    )
    assert rerouted(record) == pytest.approx(0.4)


def test_a_bad_request_whose_way_is_unknown_counts_at_its_due_time() -> None:
    lost = request(3.9, "unknown", took=3.0, tried=(), backend=None, instance=None, status=None, error="timeout")
    assert rerouted(run(fault_event(), lost)) == pytest.approx(0.9)


def test_a_bad_request_that_provably_never_touched_the_target_does_not_count() -> None:
    assert rerouted(run(fault_event(), request(6.0, "fail", status=500))) == 0.0


def test_a_request_that_the_generator_could_not_even_hand_to_the_balancer_says_nothing_about_the_target() -> None:
    refused = request(6.0, "fail", tried=(), backend=None, instance=None, status=None, error="refused")
    assert rerouted(run(fault_event(), refused)) == 0.0


def test_requests_before_the_fault_and_after_its_undoing_began_do_not_count() -> None:
    """Between the start of the heal and its confirmation the target may work; traffic that returns early is no sin."""
    early, late = request(2.9, **via("api-1")), request(7.1, **via("api-1"))
    assert rerouted(run(fault_event(heal_started_at=7.0, healed_at=7.5), early, late)) == 0.0


def test_a_fault_that_was_never_injected_has_no_reroute_time() -> None:
    assert rerouted(run(fault_event(injected_at=None), request(4))) is None


def test_readmission_is_the_balancers_word_counted_from_the_confirmed_heal() -> None:
    assert readmitted(run(fault_event(), transition(3.5, "down"), transition(7.3, "up"))) == pytest.approx(0.3)


def test_a_balancer_that_knows_before_the_chaos_service_is_not_ahead_of_the_truth() -> None:
    assert readmitted(run(fault_event(heal_started_at=7.0, healed_at=7.5), transition(7.2, "up"))) == 0.0


def test_without_a_word_the_first_good_answer_from_the_target_counts() -> None:
    record = run(fault_event(), request(7.4, **via("api-1")), request(7.8, **via("api-1")))
    assert readmitted(record) == pytest.approx(0.405)


def test_a_target_that_returns_under_another_id_is_recognized() -> None:
    moved = fault_event(backends=["10.0.0.3:8000"], backends_after=["10.0.0.9:8000"], instance="c0ffee")
    record = run(moved, transition(7.6, "up", "10.0.0.9:8000"), request(7.7, **via("10.0.0.9:8000")))
    assert readmitted(record) == pytest.approx(0.6)
    assert first_answer_at(record.faults[0], record) == pytest.approx(7.705)


def test_never_back_is_none() -> None:
    assert readmitted(run(fault_event(), request(7.4), transition(7.3, "up", "api-2"))) is None


@pytest.mark.parametrize("state", ["down", "ejected"])
def test_detection_is_the_first_move_away_from_up_during_the_fault(state: str) -> None:
    record = run(fault_event(), transition(2.0, "down"), transition(2.5, "up"), transition(3.5, state))
    assert detected_at(record.faults[0], record) == 3.5
