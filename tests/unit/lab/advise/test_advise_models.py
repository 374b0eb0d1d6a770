"""Each number is derived by hand in the test's comment. The settings are those of the lab's rendered files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import failover_settings as known
from support.failover_settings import at, checks, passive, retries

from lab.advise.models import model
from lab.advise.models.reroute import RerouteModel
from lab.advise.prediction import Fault, Prediction, Result, Situation
from lab.balancers.configuration import CheckKind, FailoverSettings, Failure

LAB = Situation(servers=3, rate_per_s=200.0, outage_s=3.0, drain_s=2.0, relayed=True)
M = 0.05
G = 3 / 200


def predict(program: str, settings: FailoverSettings, fault: Fault, situation: Situation = LAB) -> Prediction:
    return next(each for each in model(program).predict(settings, situation) if each.fault is fault)


def worst(prediction: Prediction) -> float | None:
    return None if prediction.notice.worst is None else prediction.notice.worst.seconds


def test_haproxy_notices_a_pause_by_checks_whose_timeout_begins_after_connecting() -> None:
    found = predict("haproxy", known.HAPROXY_MATCHED, Fault.PAUSE)
    # Just after a passed check: a full interval (0.5), a time-out (0.4), the fast interval (0.1), a time-out (0.4).
    assert worst(found) == pytest.approx(0.5 + 2 * 0.4 + 0.1 + M)
    assert found.notice.expected is not None
    assert found.notice.expected.seconds == pytest.approx(0.25 + 2 * 0.4 + 0.1)
    assert found.notice.worst is not None
    assert found.notice.worst.formula == "I + F·T + (F−1)·f + m"
    # A GET waits for its one attempt of 1 s and is answered by another server; a POST was sent, so it fails.
    assert (found.get.result, found.get.wait.seconds) == (Result.SLOW, 1.0)
    assert (found.post.result, found.post.wait.seconds) == (Result.FAILED, 1.0)
    # 1.45 s × 66.7/s = 96.7 requests: nine tenths GETs.
    assert (found.risk.get_slow, found.risk.post_failed, found.risk.get_failed) == (87, 10, 0)


def test_haproxy_waits_for_connecting_too_where_packets_vanish() -> None:
    real, settings = replace(LAB, relayed=False), replace(known.HAPROXY_MATCHED, passive=None)
    assert worst(predict("haproxy", settings, Fault.BLACKHOLE, real)) == pytest.approx(0.5 + 2 * 0.65 + 0.1 + M)


def test_haproxy_counts_no_failure_that_it_retries() -> None:
    # 500s are not retried, so all count: five at 15 ms.
    assert worst(predict("haproxy", known.HAPROXY_MATCHED, Fault.ERROR)) == pytest.approx(5 * G + M)
    every = retries(3, known.ALL, known.SENT_NOT)
    retried = replace(known.HAPROXY_MATCHED, retries=every)
    # Only POSTs count now, a tenth of the requests: five at 150 ms take longer than the checks (0.5 + 0.1).
    found = predict("haproxy", retried, Fault.ERROR)
    assert (worst(found), found.notice.by) == (pytest.approx(0.6 + M), "health checks")
    assert found.notice.expected is not None
    assert (found.notice.expected.seconds, found.notice.mostly) == (pytest.approx(0.25 + 0.1), "")


def test_live_traffic_may_end_it_before_the_checks_that_bound_it() -> None:
    # A GET that fails is retried at once and takes another server's turn, so that every second request begins on the
    # failed one: a POST every 100 ms. Three of them eject it. Measured in four runs: 0.08 s to 0.20 s.
    assert known.HAPROXY_MATCHED.passive is not None
    every = retries(3, known.ALL, known.SENT_NOT)
    tuned = replace(known.HAPROXY_MATCHED, retries=every, passive=passive(3, known.ALL, 0.0, returns_by_checks=True))
    found = predict("haproxy", tuned, Fault.ERROR)
    assert found.visible.worst is not None
    assert found.visible.expected is not None
    assert found.visible.worst.seconds == pytest.approx(0.5 + 0.1 + M)
    assert found.visible.expected.seconds == pytest.approx(3 * 2 / (200 * 0.1))
    assert found.visible.mostly == "live traffic mostly ends it sooner, expected after 0.30 s"


def test_haproxy_as_shipped_retries_on_the_dead_server_for_three_seconds_in_vain() -> None:
    found = predict("haproxy", known.HAPROXY_DEFAULT, Fault.KILL, replace(LAB, outage_s=60.0))
    assert worst(found) == pytest.approx(2.0 + 2 * 2.0 + M)
    assert (found.get.result, found.get.wait.seconds) == (Result.FAILED, 3.0)
    assert found.get.wait.formula == "(A−1)·P"
    assert found.get.wait.inputs[0].source.startswith("default of haproxy (https://docs.haproxy.org/")


def test_a_kill_that_retries_hide_is_seen_only_by_requests_in_flight() -> None:
    for program, settings in (
        ("haproxy", known.HAPROXY_MATCHED),
        ("nginx", known.NGINX_MATCHED),
        ("envoy", known.ENVOY_MATCHED),
    ):
        found = predict(program, settings, Fault.KILL)
        assert found.visible.worst is not None
        assert (found.get.result, found.visible.worst.seconds) == (Result.OK, M)
        assert (found.risk.get_failed, found.risk.get_slow, found.risk.post_failed) == (0, 0, 1)


def test_haproxy_cuts_the_post_whose_refused_connection_marks_the_server_down() -> None:
    # Tried with HAProxy 2.6 and `error-limit 3`: twelve kills cost eleven POSTs, each the third request to the server.
    limit = passive(3, known.ALL, 0.0, returns_by_checks=True)
    tuned = replace(known.HAPROXY_MATCHED, passive=limit, closes_sessions_when_down=at(True))
    found = predict("haproxy", tuned, Fault.KILL)
    assert found.visible.worst is not None
    assert found.visible.worst.seconds == pytest.approx(3 * G + M)
    assert found.visible.mostly.startswith("only the request whose failure marks the server down is seen")
    # The one that is cut, and one in flight when the server is killed.
    assert (found.risk.get_failed, found.risk.post_failed) == (0, 2)
    for harmless in (
        replace(tuned, closes_sessions_when_down=at(False)),
        replace(tuned, retries=retries(3, known.ALL, known.ALL)),
        replace(tuned, passive=None),
    ):
        same = predict("haproxy", harmless, Fault.KILL)
        assert same.visible.worst is not None
        assert same.visible.worst.seconds == M


def test_nginx_needs_live_requests_to_time_out() -> None:
    found = predict("nginx", known.NGINX_MATCHED, Fault.PAUSE)
    assert worst(found) == pytest.approx(2 * G + 1.0 + M)
    assert found.notice.by == "live traffic"
    # Requests sent until then fail until 2.08 s, each begins fail_timeout (1 s) anew: no test within 3 s.
    assert found.visible.worst is not None
    assert found.visible.worst.seconds == worst(found)


def test_nginx_tries_a_frozen_server_again_with_a_live_request() -> None:
    found = predict("nginx", known.NGINX_MATCHED, Fault.PAUSE, replace(LAB, outage_s=60.0))
    assert found.visible.worst is not None
    assert found.visible.worst.seconds == 60.0
    # 2.08 s of everything, then a request every 2 s: (60 − 1.08) / 2 = 29 requests.
    first = round(1.08 * 60)
    assert found.risk.get_slow == first + 29


def test_only_a_post_can_see_that_nginx_tries_a_server_again_if_gets_are_retried() -> None:
    every = retries(3, known.ALL, known.SENT_NOT, total_s=5.0)
    tuned = replace(known.NGINX_MATCHED, retries=every, passive=passive(1, known.ALL, 1.0, window_s=at(1.0)))
    found = predict("nginx", tuned, Fault.ERROR)
    assert found.visible.worst is not None
    assert found.visible.expected is not None
    # Tries after 1.065 s and 2.065 s, each a POST with a chance of 10 %: 1 − 0.9².
    assert found.visible.worst.seconds == 3.0
    assert found.visible.expected.seconds == pytest.approx(0.19 * 3.0)
    assert found.visible.mostly == "only a POST is seen, and one of 2 tests is one with a chance of 19%"
    # Until it is out, 0.065 s × 66.7/s × 10 % = 0.4 POSTs; later both tests.
    assert (found.risk.get_failed, found.risk.post_failed) == (0, 3)


def test_nginx_without_a_timeout_in_time_makes_clients_give_up() -> None:
    shipped = FailoverSettings(at(60.0), at(60.0), retries(3, {Failure.CONNECT, Failure.TIMEOUT}, set()))
    found = predict("nginx", shipped, Fault.PAUSE, replace(LAB, outage_s=120.0))
    assert worst(found) is None
    assert (found.get.result, found.get.wait.seconds) == (Result.FAILED, 10.0)
    assert "the client gives up" in found.get.why


def test_nginx_never_hears_that_a_server_is_leaving() -> None:
    found = predict("nginx", known.NGINX_MATCHED, Fault.DRAIN)
    assert worst(found) is None
    assert found.visible.worst is not None
    assert found.visible.worst.seconds == 2.0


def test_envoy_ejects_after_five_timeouts_before_its_checks_do() -> None:
    found = predict("envoy", known.ENVOY_MATCHED, Fault.PAUSE)
    assert (worst(found), found.notice.by) == (pytest.approx(5 * G + 1.0 + M), "live traffic")
    # By checks: 0.55 + 0.8 + 0.11, and later.
    assert found.back.worst is not None
    assert found.back.worst.seconds == pytest.approx(3.0 + G + 0.5 + M)


def test_envoy_takes_a_wrong_status_at_its_word() -> None:
    assert worst(predict("envoy", known.ENVOY_MATCHED, Fault.DRAIN)) == pytest.approx(0.55 + M)
    assert worst(predict("haproxy", known.HAPROXY_MATCHED, Fault.DRAIN)) == pytest.approx(0.6 + M)


def test_envoy_ejects_nobody_if_the_percentage_is_less_than_one_server() -> None:
    assert known.ENVOY_MATCHED.passive is not None
    few = replace(known.ENVOY_MATCHED, checks=None, passive=replace(known.ENVOY_MATCHED.passive, most_ejected=at(0.1)))
    assert worst(predict("envoy", few, Fault.PAUSE)) is None
    assert worst(predict("envoy", few, Fault.PAUSE, replace(LAB, servers=10))) is not None


def test_traefik_decides_by_one_check_and_may_retry_on_the_same_server() -> None:
    found = predict("traefik", known.TRAEFIK_MATCHED, Fault.PAUSE)
    assert worst(found) == pytest.approx(0.5 + 0.4 + M)
    # Two retries, each on the failed server with probability 1/3.
    assert found.get.failed_share == pytest.approx(1 / 9)
    assert found.longest_wait.seconds == pytest.approx(3.0)


@pytest.mark.parametrize(("program", "settings"), [("traefik", known.TRAEFIK_MATCHED), ("caddy", known.CADDY_MATCHED)])
@pytest.mark.parametrize(("failures", "share"), [(2, 0.0), (3, 1 / 9), (5, 1 / 9)])
def test_fewer_failures_than_attempts_eject_a_server_before_the_last_attempt(
    program: str, settings: FailoverSettings, failures: int, share: float
) -> None:
    # Tried with Traefik 3.7 (hrw) and Caddy 2.11 (first), which always choose the dead server: with three attempts the
    # first request fails if five failures eject (with Traefik also if three do), and none fails if two do.
    assert settings.passive is not None
    found = predict(program, replace(settings, passive=replace(settings.passive, failures=at(failures))), Fault.KILL)
    assert found.get.failed_share == pytest.approx(share)
    assert found.visible.worst is not None
    assert found.visible.worst.seconds == pytest.approx(failures * G + M if share else M)
    assert ("each of its retries chooses the failed server again (11%)" in found.visible.mostly) == bool(share)


def test_failures_that_come_too_slowly_or_do_not_count_do_not_help_the_request_itself() -> None:
    settings = known.CADDY_MATCHED
    assert settings.passive is not None
    two = replace(settings.passive, failures=at(2))
    slow = replace(two, window_s=at(0.5))
    long = replace(LAB, outage_s=60.0)
    # Two time-outs of 1 s are not within 0.5 s.
    assert predict("caddy", replace(settings, passive=slow), Fault.PAUSE, long).get.failed_share == pytest.approx(1 / 9)
    assert predict("caddy", replace(settings, passive=two), Fault.PAUSE, long).get.failed_share == 0.0
    blind = replace(two, counted=at(frozenset({Failure.ERROR})))
    assert predict("caddy", replace(settings, passive=blind), Fault.KILL).get.failed_share == pytest.approx(1 / 9)


def test_caddy_begins_checks_on_a_clock() -> None:
    quiet = replace(known.CADDY_MATCHED, passive=None)
    found = predict("caddy", quiet, Fault.PAUSE)
    # The second check begins one interval after the first began, and times out: 0.5 + 0.5 + 0.4.
    assert worst(found) == pytest.approx(1.4 + M)
    assert worst(predict("caddy", known.CADDY_MATCHED, Fault.PAUSE)) == pytest.approx(5 * G + 1.0 + M)


@pytest.mark.parametrize("fault", [Fault.ERROR, Fault.DRAIN])
def test_a_tls_check_sees_a_frozen_server_and_no_error(fault: Fault) -> None:
    handshake = replace(known.HAPROXY_MATCHED, checks=checks(0.5, 0.4, 2, 2, kind=CheckKind.TLS), passive=None)
    assert worst(predict("haproxy", handshake, Fault.PAUSE)) is not None
    missed = predict("haproxy", handshake, fault)
    assert worst(missed) is None
    assert "a TLS check passes, because it sends no request" in missed.notice.by


def test_haproxy_may_notice_a_short_timeout_check_only_when_connecting_would_have_timed_out() -> None:
    # Tried with HAProxy 2.6 and a frozen server. timeout connect 700ms, inter 1s, timeout check 400ms: the checks took
    # 702 and 401 ms; with timeout connect 100ms, all took 401 ms.
    for connect_s, longest_s in ((0.7, 0.7), (0.1, 0.4)):
        short = checks(1.0, connect_s + 0.4, 2, 2, connect_s=connect_s)
        settings = replace(known.HAPROXY_MATCHED, checks=short, passive=None)
        found = predict("haproxy", settings, Fault.PAUSE, replace(LAB, outage_s=60.0))
        assert worst(found) == pytest.approx(1.0 + 2 * longest_s + 1.0 + M)


def test_haproxy_waits_for_a_handshake_as_long_as_for_a_connection() -> None:
    # Tried with HAProxy 2.6, a frozen server, timeout connect 700ms, timeout check 3s: "Layer6 timeout, 702ms".
    slow = replace(checks(5.0, 3.7, 1, 2, connect_s=0.7), handshakes=True)
    settings = replace(known.HAPROXY_MATCHED, checks=slow, passive=None)
    assert worst(predict("haproxy", settings, Fault.PAUSE, replace(LAB, outage_s=60.0))) == pytest.approx(5.7 + M)


@pytest.mark.parametrize("fault", [Fault.PAUSE, Fault.ERROR, Fault.DRAIN])
def test_a_tcp_check_does_not_see_it(fault: Fault) -> None:
    shallow = replace(known.HAPROXY_MATCHED, checks=checks(0.5, 0.4, 2, 2, kind=CheckKind.TCP), passive=None)
    assert worst(predict("haproxy", shallow, fault)) is None
    assert worst(predict("haproxy", shallow, Fault.KILL)) == pytest.approx(1.0 + M)


def test_a_drain_that_checks_miss_costs_what_the_stop_at_its_end_costs() -> None:
    shallow = replace(known.HAPROXY_DEFAULT, checks=checks(2.0, 2.0, 3, 2, kind=CheckKind.TCP), passive=None)
    found = predict("haproxy", shallow, Fault.DRAIN, replace(LAB, outage_s=60.0, drain_s=5.0))
    assert worst(found) is None
    # The stop is noticed by refused connections: 2 + 2 × 2 s; a third of 200 requests/s fails meanwhile.
    assert found.risk.get_failed + found.risk.post_failed == pytest.approx((6.0 + M) * 200 / 3, abs=1)


def test_failures_that_come_too_slowly_for_the_window_eject_nobody() -> None:
    rare = replace(LAB, rate_per_s=2.0)
    sparse = replace(known.CADDY_MATCHED, checks=None, passive=passive(5, known.ALL, 3.0, window_s=at(3.0)))
    # One request per server every 1.5 s: the fifth comes 6 s after the first.
    assert worst(predict("caddy", sparse, Fault.ERROR, rare)) is None


def test_every_term_names_its_line() -> None:
    found = predict("haproxy", known.HAPROXY_MATCHED, Fault.PAUSE)
    assert found.notice.worst is not None
    sources = {each.symbol: each.source for each in found.notice.worst.inputs}
    assert sources == {
        "I": "prod.cfg:11",
        "F": "prod.cfg:15",
        "T": "prod.cfg:14",
        "f": "prod.cfg:12",
        "m": "assumed by the lab",
    }


def test_reroute_gives_its_published_bounds() -> None:
    bounds = [
        {
            "fault": "pause",
            "reroute_s": 1.6,
            "reroute_traffic_s": 1.3,
            "readmit_s": 1.2,
            "formula": "reroute ≤ I' · with traffic ≤ g + S · readmit ≤ T",
            "terms": {"I'": 0.55, "g": 0.1, "S": 1.2},
            "condition": "",
        },
        {"fault": "kill", "reroute_s": None, "reroute_traffic_s": None, "readmit_s": None, "condition": "none"},
    ]
    found = {each.fault: each for each in RerouteModel(bounds).predict(known.HAPROXY_MATCHED, LAB)}
    assert (worst(found[Fault.PAUSE]), found[Fault.PAUSE].notice.by) == (1.3, "live traffic")
    assert found[Fault.PAUSE].notice.worst is not None
    assert found[Fault.PAUSE].notice.worst.formula == "g + S"
    assert [each.symbol for each in found[Fault.PAUSE].notice.worst.inputs] == ["g", "S"]
    assert (worst(found[Fault.KILL]), found[Fault.KILL].notice.by) == (None, "none")
