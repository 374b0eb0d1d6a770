"""What differs between versions of a program. Each was tried with the releases that `lab.advise.versions` names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.advise.versions import differences, parsed
from lab.balancers import ADAPTERS, adapter
from lab.balancers.adapter import Missing
from lab.cli.app import run
from lab.errors import BadArgumentsError

NGINX = """events {}
http {
  upstream a { server h1:80; server h2:80;%s }
  server { location / { proxy_pass http://a;%s } }
}
"""
TRAEFIK = """http:
  routers: {r: {rule: "PathPrefix(`/`)", service: s, middlewares: [m]}}
  middlewares: {m: {retry: {attempts: 2%s}}}
  services:
    s:
      loadBalancer:
        # strategy: leasttime
        servers: [{url: "http://h1:80"}, {url: "http://h2:80"}]
%s
"""


def told(folder: Path, program: str, text: str, version: str) -> list[tuple[str, str]]:
    path = folder / {"nginx": "nginx.conf", "caddy": "Caddyfile", "traefik": "traefik.yaml"}[program]
    path.write_text(text)
    own = adapter(program).own_files
    assert own is not None
    found = own.read([path])
    return [(str(each.place), each.told) for each in differences(found, found.pools[0], version)]


@pytest.mark.parametrize(
    ("version", "begins"),
    [
        ("1.22.1", None),
        ("1.29.6", None),
        ("1.29.7", "nginx 1.29.7, like all versions from 1.29.7 on, keeps idle connections"),
        ("1.31.0", "nginx 1.31.0, like"),
        ("", "nginx from 1.29.7 on keeps idle connections"),
    ],
)
def test_nginx_keeps_idle_connections_by_default_from_some_version_on(
    version: str, begins: str | None, tmp_path: Path
) -> None:
    found = told(tmp_path, "nginx", NGINX % ("", ""), version)
    assert [text for _, text in found if begins is None or not text.startswith(begins)] == []
    assert bool(found) == (begins is not None)
    kept = NGINX % (" keepalive 8;", " proxy_http_version 1.1;")
    assert told(tmp_path, "nginx", kept, version) == [], "the file says so itself"


@pytest.mark.parametrize(
    ("program", "text", "setting", "line", "since"),
    [
        ("traefik", TRAEFIK % ("", "        strategy: p2c"), "strategy: p2c", 9, "3.4"),
        ("traefik", TRAEFIK % ("", "        strategy: hrw"), "strategy: hrw", 9, "3.6"),
        ("traefik", TRAEFIK % ("", "        healthCheck: {unhealthyInterval: 1s}"), "unhealthyInterval", 9, "3.5"),
        ("traefik", TRAEFIK % ("", "        passiveHealthCheck: {}"), "passiveHealthCheck", 9, "3.6"),
        ("traefik", TRAEFIK % (", status: ['502']", ""), "retry: {attempts: 2, status", 3, "3.7"),
        ("caddy", ":80 {\n reverse_proxy h1:80 h2:80 {\n  health_method HEAD\n }\n}\n", "health_method", 3, "2.9"),
    ],
)
def test_a_setting_that_the_version_does_not_know_is_told(
    program: str, text: str, setting: str, line: int, since: str, tmp_path: Path
) -> None:
    before = f"{parsed(since)[0]}.{parsed(since)[1] - 1}.9"
    ((place, said),) = told(tmp_path, program, text, before)
    assert place.endswith(f":{line}")
    assert said == f"{program} {before} does not know `{setting}`, which is there since {since}"
    for newer in (since, f"{since}.0", "9", ""):
        assert told(tmp_path, program, text, newer) == []


def test_a_version_is_numbers() -> None:
    assert parsed("v3.7.15-rc1") == (3, 7, 15)
    with pytest.raises(BadArgumentsError, match="--program-version new: expected a version"):
        parsed("new")


def test_the_command_line_gives_the_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nginx.conf"
    path.write_text(NGINX % ("", ""))

    def rules(*arguments: str) -> set[str]:
        run(["advise", str(path), "--format", "json", *arguments])
        return {each["rule"] for each in json.loads(capsys.readouterr().out)["findings"]}

    assert "version-default" in rules("--program-version", "1.30.0")
    assert "version-default" not in rules("--program-version", "1.22.1")
    installed = ADAPTERS["nginx"].find()
    if not isinstance(installed, Missing):
        expected = parsed(ADAPTERS["nginx"].version(installed)) >= (1, 29, 7)
        assert ("version-default" in rules()) == expected
