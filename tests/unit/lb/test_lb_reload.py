"""What a new configuration changes, and what a running balancer refuses to change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lb.config.file_reader import load
from lb.config.reload import FIXED, Change, changes
from lb.config.schema import Config
from lb.errors import FixedKeyError

BACKENDS = "discovery: {kind: static, backends: ['a=h:1']}\n"
CERTIFICATE = "tls: {certificates: [a.pem]}\n"


def config(folder: Path, text: str = "") -> Config:
    path = folder / "lb.yaml"
    path.write_text(text if "discovery" in text else BACKENDS + text)
    return load(path, {})


def changed(folder: Path, old: str, new: str) -> list[Change]:
    return changes(config(folder, old), config(folder, new))


def refused(folder: Path, old: str, new: str) -> list[str]:
    with pytest.raises(FixedKeyError) as caught:
        changed(folder, old, new)
    return [problem.partition(":")[0] for problem in caught.value.problems]


def test_nothing_changed_is_nothing(tmp_path: Path) -> None:
    assert changed(tmp_path, CERTIFICATE, CERTIFICATE) == []


def test_changes_are_told_by_key_as_they_would_be_written(tmp_path: Path) -> None:
    assert changed(tmp_path, "", "health: {interval: 1m, fall: 3}\ntrusted_proxies: [10.0.0.0/8]\n") == [
        Change("trusted_proxies", [], ["10.0.0.0/8"]),
        Change("health.interval", "500ms", "1m"),
        Change("health.fall", 2, 3),
    ]


def test_another_kind_of_discovery_is_told_key_by_key(tmp_path: Path) -> None:
    found = changed(tmp_path, "", "discovery: {kind: dns, name: api, port: 80}\n")

    assert {change.key for change in found} == {
        "discovery.kind", "discovery.backends", "discovery.name", "discovery.port", "discovery.interval",
        "discovery.timeout",
    }  # fmt: skip


def test_a_changed_secret_is_noticed_and_not_shown(tmp_path: Path) -> None:
    sticky = "sticky: {{cookie: lb, secrets: [{}]}}\n"
    (change,) = changed(tmp_path, sticky.format("sixteen-characters"), sticky.format("another-one-of-16"))

    assert change.key == "sticky.secrets"
    assert "character" not in str(change)
    assert "another" not in str(change)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ("", "listen: 127.0.0.1:81\n", ["listen"]),
        ("", "admin: {listen: 127.0.0.1:81, token: sixteen-characters}\n", ["admin.listen", "admin.token"]),
        ("", "tcp: {listen: 127.0.0.1:81}\n", ["tcp.listen"]),
        ("", CERTIFICATE, ["tls"]),
        (CERTIFICATE, "", ["tls"]),
        (CERTIFICATE, CERTIFICATE + "tcp: {tls: true}\n", ["tcp.tls"]),
        (CERTIFICATE, "tls: {certificates: [a.pem], handshake_timeout: 1s}\n", ["tls.handshake_timeout"]),
        ("", "proxy_protocol: {send: v1}\n", ["proxy_protocol.send"]),
        ("", "proxy_protocol: {accept_from: [10.0.0.0/8]}\n", ["proxy_protocol.accept_from"]),
        ("proxy_protocol: {accept_from: [10.0.0.0/8]}\n", "", ["proxy_protocol.accept_from"]),
        ("", "access_log: {path: /tmp/x}\n", ["access_log.path"]),
        ("", "health: {fall: 3}\nlisten: 127.0.0.1:81\n", ["listen"]),
    ],
)
def test_what_only_a_restart_can_change_is_refused_by_name(tmp_path: Path, old: str, new: str, keys: list[str]) -> None:
    assert refused(tmp_path, old, new) == keys


def test_networks_and_certificates_may_change(tmp_path: Path) -> None:
    old = "proxy_protocol: {accept_from: [10.0.0.0/8]}\n" + CERTIFICATE
    new = "proxy_protocol: {accept_from: [10.0.0.0/9]}\ntls: {certificates: [b.pem], min_version: '1.3'}\n"

    assert [change.key for change in changed(tmp_path, old, new)] == [
        "tls.certificates", "tls.min_version", "proxy_protocol.accept_from",
    ]  # fmt: skip


def test_every_fixed_key_exists_and_is_documented_as_such() -> None:
    document = (Path(__file__).resolve().parents[3] / "docs/configuration.md").read_text()
    (row,) = [line for line in document.splitlines() if line.endswith("| never: 409, restart |")]
    assert set(re.findall(r"`([a-z_.]+)`", row)) == FIXED
    for key in FIXED:
        assert f"| `{key}` | `" in document or key == "tls.handshake_timeout", key
