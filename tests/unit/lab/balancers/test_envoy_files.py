"""Envoy's files: what is read, and what the lab changes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.balancers.configuration import CheckKind, Configuration, Failure, Pool, Value
from lab.balancers.envoy import Envoy
from lab.errors import BadArgumentsError
from tests.support.own_edits import CORPUS, choose, deciding, edited, lab_values, strangers, ways, written

OWN = Envoy.own_files
FILES = sorted(each for each in (CORPUS / "envoy").glob("*/envoy.*"))
CASES = [
    pytest.param(path, listener.name, pool.name, id=f"{path.parent.name} {pool.name}")
    for path in FILES
    for listener, pool in ways(OWN.read([path]))
]
ALL = frozenset(Failure)


def corpus(name: str) -> Configuration:
    return OWN.read([next((CORPUS / "envoy" / name).glob("envoy.*"))])


def worth(value: Value[Any] | None) -> Any:
    return value and value.value


def pool(name: str, wanted: str) -> Pool:
    return next(each for each in corpus(name).pools if each.name == wanted)


def test_listeners_say_what_a_request_needs() -> None:
    found = {each.name: each for name in ("edge", "canary", "shop", "tcp") for each in corpus(name).listeners}
    assert found["http"].pools == ()
    assert found["https"].tls
    assert found["https"].addresses == ("[::]:443",)
    assert found["api"].pools == ("api-stable", "api-canary", "legacy")
    assert found["api"].path == "/v2/"
    assert found["0.0.0.0:80"].host == "shop.example.net"
    assert found["0.0.0.0:80"].pools[0] == "web"
    assert found["ingress_tcp"].pools == ("workers",)


def test_discovery_files_are_read_and_keep_their_places() -> None:
    found = corpus("discovery")
    assert next(iter(found.texts)).name == "envoy.yaml"
    assert {path.name for path in found.texts} == {"envoy.yaml", "lds.yaml", "rds.yaml", "cds.yaml", "eds.yaml"}
    members = next(each for each in found.pools if each.name == "members")
    assert [str(each.place) for each in members.servers] == [f"eds.yaml:{line}" for line in (7, 8, 11, 12)]
    assert str(members.settings.retries.attempts.place) == "rds.yaml:18"


def test_checks() -> None:
    checks = pool("edge", "booking").settings.checks
    assert checks is not None
    assert checks.kind.value is CheckKind.HTTP
    assert (checks.interval_s.value, checks.down_interval_s.value, checks.timeout_s.value) == (5, 2, 1)
    assert checks.doubt_interval_s.value == 5  # a failed check is followed after 1 s, a passed one after 5 s
    assert (checks.fall.value, checks.rise.value) == (3, 2)
    assert checks.jitter.value == pytest.approx(0.1)
    assert checks.path is not None
    assert (checks.path.value, str(checks.path.place)) == ("/status/live", "envoy.yaml:125")
    tcp = pool("discovery", "members").settings.checks
    assert tcp is not None
    assert (tcp.kind.value, tcp.jitter.value, tcp.doubt_interval_s.value) == (CheckKind.TCP, 0.2, 1)
    assert pool("canary", "legacy").settings.checks is None


def test_outlier_detection() -> None:
    passive = pool("canary", "api-stable").settings.passive
    assert passive is not None
    assert (passive.failures.value, passive.counted.value, passive.ejection_s.value) == (3, ALL, 5)
    assert worth(passive.most_ejected) == 0.5
    assert worth(passive.returns_every_s) == 1
    assert not passive.returns_by_checks
    default = pool("canary", "api-canary").settings.passive
    assert default is not None
    assert (default.failures.value, default.ejection_s.value, default.failures.place) == (5, 30, None)
    assert worth(default.most_ejected) == 0.1
    gateway = pool("sidecar", "ledger").settings.passive
    assert gateway is not None
    assert (gateway.failures.value, gateway.counted.value) == (4, ALL - {Failure.ERROR})
    assert worth(gateway.most_ejected) == 0.5  # one of two hosts, always
    assert gateway.returns_by_checks


def test_retries() -> None:
    booking = pool("edge", "booking").settings.retries
    assert booking.attempts.value == 3
    assert booking.on.value == ALL - {Failure.ERROR}  # of the errors only 503
    assert booking.other_server_from.value is None  # LEAST_REQUEST may choose the same host
    assert booking.total_s.value == 8
    assert worth(booking.most_concurrent) == 3
    stable = pool("canary", "api-stable").settings.retries  # of the virtual host
    assert (stable.attempts.value, stable.on.value, stable.other_server_from.value) == (2, ALL, 2)
    members = pool("discovery", "members").settings.retries
    assert members.on.value == ALL - {Failure.ERROR}
    assert members.non_idempotent_on.value == {Failure.CONNECT}
    assert (members.attempts.value, members.pause_s.value) == (4, 0.01)
    assert worth(members.most_concurrent) == 30
    api = pool("shop", "api").settings.retries
    assert worth(api.most_concurrent) == 10
    assert pool("rechain", "app").settings.retries.attempts.value == 1
    workers = pool("tcp", "workers").settings.retries
    assert (workers.attempts.value, workers.on.value, workers.total_s.value) == (3, {Failure.CONNECT}, None)


def test_time_outs_and_the_rest() -> None:
    booking = pool("edge", "booking").settings
    assert booking.connect_timeout_s.value == 0.5
    assert booking.response_timeout_s.value == 2.5
    assert worth(booking.closes_sessions_when_down)
    web = pool("shop", "web").settings
    assert web.response_timeout_s.value == 30  # `timeout: 0s` leaves the time-out of idle streams
    assert worth(web.slow_start_s) == 30
    assert worth(web.panic_below) == 0.5
    default = pool("rechain", "app").settings
    assert (default.response_timeout_s.value, default.response_timeout_s.place) == (15, None)
    assert worth(default.idle_timeout_s) == 3600
    assert pool("shop", "api").settings.connect_timeout_s.value == 5
    assert [each.text for each in corpus("shop").unknown] == ["success_rate_stdev_factor: 1900"]
    assert [each.text for each in corpus("sidecar").unknown] == ["upstream.healthy_panic_threshold: 30"]


@pytest.mark.parametrize(("path", "listener", "pool_name"), CASES)
def test_only_the_labs_addresses_are_left(path: Path, listener: str, pool_name: str, tmp_path: Path) -> None:
    found = OWN.read([path])
    one, other = choose(found, listener, pool_name)
    edits = OWN.edits(found, one, other)
    text = "\n".join(edited(found, edits).values())
    assert text.count("@LISTEN_PORT@") == 1
    for number in range(1, len(other.servers) + 1):
        assert f"@BACKEND_{number}_PORT@" in text
    for file in written(OWN, found, edits, lab_values(tmp_path) | {"HEALTH": "/health"}):
        assert not strangers(file.read_text())
    # What decides failover is as it was, but for the path of checks, which the lab's backends do not have.
    again = next(each for each in OWN.read([next(tmp_path.glob("envoy.*"))]).pools if each.name == pool_name)
    assert deciding(again.settings) == deciding(other.settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("admin: {}\n", "envoy.yaml:1: not a bootstrap file of Envoy"),
        ("static_resources:\n  listeners: 5\n", "envoy.yaml:2: expected a list"),
        ("static_resources:\n  clusters:\n  - {name: a, connect_timeout: 5}\n", "envoy.yaml:3: expected a duration"),
        (
            "static_resources:\n  clusters:\n  - name: a\n    health_checks: [{interval: 1s}]",
            "envoy.yaml:4: the health check has no timeout",
        ),
        (
            "dynamic_resources:\n  cds_config:\n    path_config_source: {path: /x/cds.yaml}\n",
            "envoy.yaml:3: there is no file /x/cds.yaml",
        ),
    ],
)
def test_bad_input_is_an_error_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "envoy.yaml"
    file.write_text(text)
    with pytest.raises(BadArgumentsError, match=says):
        OWN.read([file])
