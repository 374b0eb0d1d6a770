from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import failover_settings as known
from support.failover_settings import ALL, CONNECT, TIMEOUT, at, checks, passive, retries

from lab.advise.findings import RULES, Finding, Severity, findings
from lab.advise.models import model
from lab.advise.prediction import Situation
from lab.balancers.configuration import CheckKind, Configuration, FailoverSettings, Place, Pool, Server, Unknown, Value

PLACE = Place(Path("prod.cfg"), 40, 0, 0)
SERVERS = tuple(Server(f"s{n}", f"10.0.0.{n}:80", PLACE) for n in range(3))
GOOD = replace(known.HAPROXY_MATCHED, retries=retries(2, {CONNECT, TIMEOUT}, {CONNECT}), idle_timeout_s=at(4.0))


def found(settings: FailoverSettings, servers: int = 3, program: str = "haproxy") -> dict[str, Finding]:
    pool = Pool("app", PLACE, SERVERS, settings)
    return {
        each.rule: each
        for each in findings(model(program), pool, Configuration(program, {}, (), (pool,)), Situation(servers))
    }


def test_good_settings_have_no_findings() -> None:
    assert found(GOOD) == {}


@pytest.mark.parametrize(
    ("rule", "settings", "severity", "line", "told"),
    [
        ("longer-than-client", replace(GOOD, response_timeout_s=at(6.0, 7)), "danger", 7, "2 × 6 s"),
        ("longer-than-client", replace(GOOD, response_timeout_s=at(None, 7)), "danger", 7, "without limit"),
        (
            "no-redispatch",
            replace(GOOD, retries=retries(3, {CONNECT}, {CONNECT}, None, pause_s=1.0)),
            "danger",
            22,
            "2 s",
        ),
        ("no-retry", replace(GOOD, retries=retries(1, set(), set())), "danger", 20, "1 of 3 requests fails"),
        (
            "post-replayed",
            replace(GOOD, retries=retries(2, {CONNECT, TIMEOUT}, {CONNECT, TIMEOUT})),
            "danger",
            21,
            "time-outs",
        ),
        ("panic", replace(GOOD, panic_below=at(0.5, 8)), "warning", 8, "with 2 of 3 servers out"),
        ("panic", replace(GOOD, panic_below=at(0.7, 8)), "danger", 8, "with 1 of 3 servers out"),
        ("one-check-decides", replace(GOOD, checks=checks(0.5, 0.4, 1, 2)), "warning", 15, "longer than 0.4 s"),
        ("no-checks", replace(GOOD, checks=None, passive=None), "danger", 40, "nothing takes a failed server out"),
        ("no-checks", replace(GOOD, checks=None), "warning", 40, "only 5 failed live requests"),
        ("tcp-check", replace(GOOD, checks=checks(0.5, 0.4, 2, 2, kind=CheckKind.TCP)), "danger", 10, "frozen server"),
        (
            "tls-check",
            replace(GOOD, checks=checks(0.5, 0.4, 2, 2, kind=CheckKind.TLS)),
            "danger",
            10,
            "TLS handshake",
        ),
        (
            "retry-storm",
            replace(GOOD, retries=retries(3, {CONNECT, TIMEOUT}, {CONNECT})),
            "warning",
            20,
            "600 requests/s",
        ),
        ("keep-alive", replace(GOOD, idle_timeout_s=at(30.0, 9)), "note", 9, "kept for 30 s"),
        (
            "ejection-limit",
            replace(GOOD, passive=passive(5, ALL, 3.0, most_ejected=at(0.1, 34))),
            "danger",
            34,
            "10% of 3",
        ),
    ],
)
def test_each_rule_names_severity_line_and_numbers(
    rule: str, settings: FailoverSettings, severity: str, line: int, told: str
) -> None:
    one = found(settings)[rule]
    assert (str(one.severity), one.place.line if one.place else None) == (severity, line)
    assert told in one.happens
    assert one.docs.startswith("https://")


def test_ten_servers_make_the_ejection_limit_harmless() -> None:
    assert "ejection-limit" not in found(replace(GOOD, passive=passive(5, ALL, 3.0, most_ejected=at(0.1))), servers=10)


def test_a_limit_over_all_attempts_shortens_the_wait() -> None:
    limited = replace(GOOD, response_timeout_s=at(6.0), retries=retries(3, {TIMEOUT, CONNECT}, {CONNECT}, total_s=6.0))
    assert "longer-than-client" not in found(limited)


def test_a_default_has_no_line() -> None:
    assert found(replace(GOOD, response_timeout_s=Value(60.0)), program="nginx")["longer-than-client"].place is None


def test_what_the_reader_did_not_know_is_listed_and_the_worst_comes_first() -> None:
    pool = Pool("app", PLACE, SERVERS, replace(GOOD, panic_below=at(0.7)))
    listed = findings(
        model("envoy"),
        pool,
        Configuration("envoy", {}, (), (pool,), (Unknown("tcp-check connect", PLACE),)),
        Situation(3),
    )
    assert [each.severity for each in listed] == [Severity.DANGER, Severity.NOTE]
    assert "`tcp-check connect`" in listed[-1].happens


@pytest.mark.parametrize("program", ["haproxy", "nginx", "envoy", "traefik", "caddy"])
def test_suggestions_are_in_the_language_of_the_program(program: str) -> None:
    one = found(replace(GOOD, response_timeout_s=at(60.0)), program=program)["longer-than-client"]
    assert "3.3s" in one.suggestion


def test_every_rule_has_a_title_and_no_title_lacks_its_rule() -> None:
    names = {"unknown-directive", "version-default"}
    for settings in (
        replace(GOOD, response_timeout_s=at(None), retries=retries(1, set(), set()), checks=None),
        replace(GOOD, retries=retries(3, ALL, ALL), checks=checks(1, 1, 1, 1, kind=CheckKind.TCP), panic_below=at(0.9)),
        replace(GOOD, retries=retries(3, {CONNECT}, set(), None), idle_timeout_s=at(60.0)),
        replace(GOOD, passive=passive(5, ALL, 3.0, most_ejected=at(0.1))),
        replace(GOOD, checks=checks(1, 1, 2, 2, kind=CheckKind.TLS)),
    ):
        names |= set(found(settings))
    assert names == set(RULES)


def test_nginx_that_counts_failures_of_live_traffic_has_nothing_better_to_offer() -> None:
    counting = replace(GOOD, checks=None, passive=passive(1, ALL, 10.0))
    told = found(counting, program="nginx")["no-checks"]
    assert told.happens == "only 1 failed live request takes a server out, and live requests test it again every 10 s"
    assert told.suggestion == ""
    assert "max_fails=1" in found(replace(counting, passive=None), program="nginx")["no-checks"].suggestion
