from __future__ import annotations

from lb.core.backend import Backend
from lb.core.outlier_detection import EjectionBackoff, Outcomes, OutlierDetector, latency_outliers, may_eject
from lb.core.settings import PassiveSettings

SETTINGS = PassiveSettings()


def test_five_failures_in_a_row_eject_while_others_work() -> None:
    detector, liar, other = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    reasons = []
    for n in range(5):
        assert detector.record(other, False, n * 0.01) == ""
        reasons.append(detector.record(liar, True, n * 0.01))
    assert reasons == ["", "", "", "", "5 requests failed in a row"]


def test_a_success_starts_the_row_again() -> None:
    detector, backend, other = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    for n in range(100):
        detector.record(other, False, 0.0)
        failed = n % 5 != 4  # four failures, then a success: 80 %, which the share detects and the row does not
        if "in a row" in detector.record(backend, failed, 0.0):
            raise AssertionError("the success did not count")
    assert backend.consecutive_failures == 0


def test_when_everybody_starts_to_fail_at_once_nobody_is_ejected() -> None:
    detector = OutlierDetector(SETTINGS)
    everybody = [Outcomes() for _ in range(3)]
    for n in range(60):  # a good past, which must not make the others look healthy now
        assert detector.record(everybody[n % 3], False, n * 0.01) == ""
    for n in range(60, 200):
        assert detector.record(everybody[n % 3], True, n * 0.01) == ""


def test_half_of_the_requests_failing_is_caught_within_twenty() -> None:
    detector, flaky, other = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    for n in range(20):
        detector.record(other, False, n * 0.01)
        if detector.record(flaky, n % 2 == 0, n * 0.01):
            break
    assert 10 <= n + 1 <= 20


def test_one_failure_in_ten_is_tolerated() -> None:
    detector, flaky, other = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    for n in range(500):
        detector.record(other, False, n * 0.01)
        assert detector.record(flaky, n % 10 == 0, n * 0.01) == ""


def test_old_outcomes_expire() -> None:
    detector, backend, other = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    detector.record(other, False, 0.0)
    for n in range(8):
        detector.record(backend, n % 2 == 0, 0.0)
    assert backend.failures == 4
    detector.record(backend, False, 11.0)
    assert (len(backend.latest), backend.failures) == (1, 0)


def test_a_backend_out_of_rotation_does_not_count_as_the_others() -> None:
    detector, dead, liar = OutlierDetector(SETTINGS), Outcomes(), Outcomes()
    for _ in range(20):
        detector.record(dead, True, 0.0)
    detector.discard(dead)
    verdicts = [detector.record(liar, n % 2 == 0, 0.1) for n in range(12)]
    assert any("elsewhere" in verdict for verdict in verdicts)


def test_ejections_grow_are_capped_and_forgiven() -> None:
    backoff, now = EjectionBackoff(), 0.0
    lengths = []
    for _ in range(25):
        lengths.append(backoff.eject(now, SETTINGS))
        now = backoff.until
    assert lengths[:3] == [3.0, 6.0, 9.0]
    assert max(lengths) == lengths[-1] == SETTINGS.max_ejection

    assert backoff.eject(now + 20 * SETTINGS.forgive_after, SETTINGS) == 3.0


def test_the_ejected_share_counts_after_the_ejection() -> None:
    assert may_eject(ejected=0, in_rotation=3, members=3, settings=SETTINGS)
    assert not may_eject(ejected=1, in_rotation=2, members=3, settings=SETTINGS)  # would be 67 %
    assert may_eject(ejected=0, in_rotation=2, members=2, settings=SETTINGS)  # exactly 50 %
    one_in_ten = PassiveSettings(max_ejected_share=0.1)
    assert not may_eject(ejected=0, in_rotation=2, members=2, settings=one_in_ten)  # Envoy would


def test_the_last_backend_in_rotation_is_never_ejected() -> None:
    assert not may_eject(ejected=0, in_rotation=1, members=10, settings=SETTINGS)


def backends_with(*means: float) -> list[Backend]:
    return [Backend(f"api-{n}", "h", n, latency_mean=mean) for n, mean in enumerate(means)]


def test_latency_outliers_are_off_by_default() -> None:
    assert latency_outliers(backends_with(0.001, 0.001, 9.0), SETTINGS) == []


def test_a_latency_outlier_is_measured_against_the_median_of_the_others() -> None:
    settings = PassiveSettings(latency_factor=3.0)
    candidates = backends_with(0.9, 0.1, 0.2, 0.0)

    ((backend, reason),) = latency_outliers(candidates, settings)

    assert backend is candidates[0]
    assert reason == "mean latency 900 ms, 150 ms elsewhere"


def test_a_fast_outlier_is_nobodys_problem() -> None:
    assert latency_outliers(backends_with(0.001, 0.001, 0.1), PassiveSettings(latency_factor=3.0)) == []


def test_without_others_there_is_no_outlier() -> None:
    assert latency_outliers(backends_with(9.0), PassiveSettings(latency_factor=3.0)) == []
