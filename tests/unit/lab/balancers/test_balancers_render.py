"""What each setting becomes in each balancer's own language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lab.balancers import ADAPTERS, adapter
from lab.balancers.nginx import fail_timeout_s
from lab.balancers.rendering import milliseconds, protobuf_seconds
from lab.balancers.requirements import Address, Backend, Health, Level, Passive, ProxySpec, Retry
from lab.errors import BadArgumentsError

BACKENDS = (Backend("api-1", Address("127.0.0.1", 9001)), Backend("api-2", Address("127.0.0.1", 9002)))
# No number twice, so that one in the wrong place is seen.
HEALTH = Health(path="/alive", interval_s=0.7, fast_interval_s=0.13, timeout_s=0.35, fall=4, rise=6)
RETRY = Retry(
    max_attempts=8,
    budget_percent=17,
    budget_min=9,
    budget_window_s=7.0,
    per_try_timeout_s=1.25,
    total_timeout_s=3.3,
    connect_timeout_s=0.27,
)
PASSIVE = Passive(consecutive_failures=11, base_ejection_s=4.4)


def spec(level: Level = Level.MATCHED, policy: str = "p2c") -> ProxySpec:
    listen, admin = Address("127.0.0.1", 8000), Address("127.0.0.1", 8001)
    return ProxySpec(listen, admin, BACKENDS, level=level, policy=policy, health=HEALTH, retry=RETRY, passive=PASSIVE)


def rendered(name: str, folder: Path, level: Level = Level.MATCHED, policy: str = "p2c") -> str:
    return "\n".join(path.read_text() for path in adapter(name).render(spec(level, policy), folder))


MATCHED = {
    "reroute": [
        '"policy": "p2c"', '"path": "/alive"', '"interval": "700ms"', '"fast_interval": "130ms"', '"timeout": "350ms"',
        '"fall": 4', '"rise": 6', '"max_attempts": 8', '"budget": "17%"', '"budget_min_per_s": 9',
        '"budget_window": "7000ms"',
        '"per_try_timeout": "1250ms"', '"total_timeout": "3300ms"', '"connect_timeout": "270ms"',
        '"consecutive_failures": 11', '"base_ejection": "4400ms"',
    ],
    "haproxy": [
        "balance random(2)", "uri /alive", "inter 700ms fastinter 130ms downinter 700ms fall 4 rise 6",
        "timeout check 350ms", "retries 7", "timeout server 1250ms", "timeout connect 270ms",
        "server api-1 127.0.0.1:9001\n", "observe layer7 error-limit 11 on-error mark-down\n",
    ],
    "nginx": [
        "random two least_conn;", "max_fails=4 fail_timeout=2s", "proxy_next_upstream_tries 8;",
        "proxy_read_timeout 1250ms;", "proxy_next_upstream_timeout 3300ms;", "proxy_connect_timeout 270ms;",
    ],
    "envoy": [
        "lb_policy: LEAST_REQUEST", 'path: "/alive"', "interval: 0.700s", "edge_interval: 0.130s", "timeout: 0.350s",
        "unhealthy_threshold: 4", " healthy_threshold: 6", "num_retries: 7", "budget_percent: {value: 17}",
        "min_retry_concurrency: 63", "per_try_timeout: 1.250s", "timeout: 3.300s", "connect_timeout: 0.270s",
        "consecutive_5xx: 11", "base_ejection_time: 4.400s",
    ],
    "traefik": [
        "strategy: p2c", 'path: "/alive"', "interval: 700ms", "unhealthyInterval: 130ms", "timeout: 350ms",
        "attempts: 8", "responseHeaderTimeout: 1250ms", "timeout: 3300ms", "dialTimeout: 270ms",
        "maxFailedAttempts: 11", "failureWindow: 4400ms",
    ],
    "caddy": [
        "lb_policy random_choose 2", "health_uri /alive", "health_interval 700ms", "health_timeout 350ms",
        "health_fails 4", "health_passes 6", "lb_retries 7", "response_header_timeout 1250ms",
        "lb_try_duration 3300ms", "dial_timeout 270ms", "max_fails 11", "fail_duration 4400ms", "unhealthy_status 5xx",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_matched_says_every_setting_that_the_balancer_can_express(name: str, tmp_path: Path) -> None:
    text = rendered(name, tmp_path)
    assert [line for line in MATCHED[name] if line not in text] == []


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_default_keeps_the_balancers_own_numbers(name: str, tmp_path: Path) -> None:
    text = rendered(name, tmp_path, Level.DEFAULT)
    ours = ["700", "130ms", "0.130", "350", "1250", "1.250", "3300", "3.300", "270", "p2c", "random", "4400"]
    assert [number for number in ours if number in text] == []
    assert "9001" in text
    assert "9002" in text


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "reroute"])
def test_tuned_adds_to_matched_and_names_its_sources(name: str, tmp_path: Path) -> None:
    assert rendered(name, tmp_path) != rendered(name, tmp_path, Level.TUNED)
    assert adapter(name).tuning
    assert all(tuning.source.startswith("https://") for tuning in adapter(name).tuning)


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "reroute"])
def test_a_policy_that_it_lacks_becomes_round_robin_and_is_told(name: str, tmp_path: Path) -> None:
    assert rendered(name, tmp_path, policy="maglev") == rendered(name, tmp_path, policy="round_robin")
    assert "policy maglev" in [quirk.setting for quirk in adapter(name).quirks(spec(policy="maglev"))]
    assert "policy p2c" not in [quirk.setting for quirk in adapter(name).quirks(spec())]


def test_nginx_admits_that_it_has_no_active_checks_at_any_level() -> None:
    for level in Level:
        assert "active checks" in [quirk.setting for quirk in adapter("nginx").quirks(spec(level))]


def test_nginx_leaves_a_failed_server_alone_for_whole_seconds() -> None:
    # 0.7 + 5 × 0.13 = 1.35 s until our checks would take it back.
    assert fail_timeout_s(spec()) == 2


@pytest.mark.parametrize("name", ["envoy", "traefik", "reroute"])
@pytest.mark.parametrize("level", list(Level))
def test_yaml_is_yaml(name: str, level: Level, tmp_path: Path) -> None:
    for path in adapter(name).render(spec(level), tmp_path):
        assert YAML(typ="safe").load(path)


def test_envoy_repeats_what_is_not_idempotent_only_when_it_was_not_sent(tmp_path: Path) -> None:
    bootstrap, *_ = adapter("envoy").render(spec(Level.MATCHED, "p2c"), tmp_path)
    config = YAML(typ="safe").load(bootstrap.read_text())
    [chain] = config["static_resources"]["listeners"][0]["filter_chains"]
    routes = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    by_regex = [route["match"].get("headers") is not None for route in routes]
    retries = [route["route"]["retry_policy"]["retry_on"] for route in routes]
    assert by_regex == [True, False]
    assert retries == ["connect-failure,refused-stream,reset", "connect-failure,refused-stream"]


def test_reroute_by_default_is_told_addresses_only(tmp_path: Path) -> None:
    assert set(json.loads(rendered("reroute", tmp_path, Level.DEFAULT))) == {"version", "listen", "admin", "discovery"}


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "250ms"), (5, "5000ms"), (0.0001, "1ms"), (0.0015, "2ms")])
def test_milliseconds_are_whole_and_never_zero(seconds: float, text: str) -> None:
    assert milliseconds(seconds) == text


def test_protobuf_durations_are_decimal_seconds() -> None:
    assert [protobuf_seconds(s) for s in (0.25, 5, 0)] == ["0.250s", "5.000s", "0.001s"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: Address("127.0.0.1; include /etc/passwd", 80),
        lambda: Address("localhost", 0),
        lambda: Backend("api 1", Address("localhost", 80)),
        lambda: Backend("api-1\nserver evil", Address("localhost", 80)),
        lambda: Health(path="/health; return 200"),
        lambda: Health(path="health"),
        lambda: ProxySpec(Address("localhost", 80), Address("localhost", 81), ()),
        lambda: ProxySpec(Address("localhost", 80), Address("localhost", 81), BACKENDS + BACKENDS[:1]),
    ],
)
def test_nothing_that_a_configuration_language_would_read_as_its_own_gets_in(build: object) -> None:
    assert callable(build)
    with pytest.raises(BadArgumentsError):
        build()


def test_an_unknown_balancer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadArgumentsError, match="squid") as caught:
        adapter("squid")
    assert "haproxy" in caught.value.next_step
