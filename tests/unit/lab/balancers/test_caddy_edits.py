"""What the lab changes in Caddyfiles and in Caddy's JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.balancers.caddy import Caddy
from lab.balancers.substitution import fill
from tests.support.own_edits import CORPUS, choose, edited, lab_values, strangers, ways

OWN = Caddy.own_files
HERE = CORPUS / "caddy"
MAINS = [next(path for path in each.iterdir() if path.is_file()) for each in sorted(HERE.iterdir())]
HARMLESS = re.compile(r"@(?:blocked|static|wiki|chat)\b.*|\b(?:host|header|root) .*")
"""Matchers that nothing uses any more, and options that contact nobody."""


def changed(main: Path, listener: str, pool: str) -> dict[str, str]:
    """The texts by file name."""
    found = OWN.read([main])
    return {path.name: text for path, text in edited(found, OWN.edits(found, *choose(found, listener, pool))).items()}


def site(folder: Path, text: str) -> str:
    (folder / "Caddyfile").write_text(text)
    found = OWN.read([folder / "Caddyfile"])
    return edited(found, OWN.edits(found, *ways(found)[0]))[folder / "Caddyfile"]


@pytest.mark.parametrize("main", MAINS, ids=lambda path: path.parent.name)
def test_no_address_outside_the_lab_is_left(main: Path, tmp_path: Path) -> None:
    found = OWN.read([main])
    pairs = ways(found)
    assert pairs
    for listener, pool in pairs:
        for path, text in edited(found, OWN.edits(found, listener, pool)).items():
            values = lab_values(tmp_path)
            inside = OWN.keep_inside(fill(text, values, path.name), values, main=path == main)
            assert strangers(HARMLESS.sub("", inside)) == [], (path, pool.name)


@pytest.mark.parametrize("main", MAINS, ids=lambda path: path.parent.name)
def test_what_decides_failover_of_the_pool_is_never_changed(main: Path) -> None:
    decides = re.compile(
        r"(?:lb_\w+|fail_duration|max_fails|unhealthy_\w+|health_(?:interval|timeout|fails|passes)|dial_timeout"
        r"|\w+_duration\"|\"retries\"|\"interval\")[^\n]*"
    )
    found = OWN.read([main])
    for listener, pool in ways(found):
        after = edited(found, OWN.edits(found, listener, pool))
        before = found.texts[pool.place.path][pool.place.start : pool.place.end]
        if main.suffix == ".json":
            before = before.replace("/alive", "@HEALTH@").replace('_status": 2}', '_status": 200}')
        for line in decides.findall(before):
            assert line in after[pool.place.path]


def test_the_chosen_site_listens_at_the_labs_address_only() -> None:
    texts = changed(HERE / "sites" / "Caddyfile", "api.example.com", "api.example.com/v2/")
    assert texts["api.caddy"].startswith("http://:@LISTEN_PORT@ {\n\tbind @LISTEN_HOST@\n")
    assert "tls" not in texts["api.caddy"]
    assert texts["web.caddy"].strip() == ""
    assert "status.example.com" not in texts["Caddyfile"]
    assert "import sites/*.caddy" in texts["Caddyfile"]
    for gone in ("acme_ca", "output net", "listener_wrappers", "email"):
        assert gone not in texts["Caddyfile"]


def test_every_request_takes_the_route_to_the_pool() -> None:
    text = changed(HERE / "sites" / "Caddyfile", "api.example.com", "api.example.com/v2/")["api.caddy"]
    assert "handle {\n\t\turi strip_prefix /v2\n\treverse_proxy @BACKEND_1@ @BACKEND_2@ {" in text
    assert "10.4.2.11" not in text
    assert "abort" not in text
    assert "handle_errors" not in text


def test_checks_ask_what_the_labs_backends_answer() -> None:
    text = changed(HERE / "sites" / "Caddyfile", "api.example.com", "api.example.com/v2/")["api.caddy"]
    assert "health_uri @HEALTH@" in text
    assert "health_port" not in text
    assert "health_status 200" in text


def test_tls_to_backends_is_removed() -> None:
    text = changed(HERE / "sites" / "Caddyfile", "example.com", "example.com/app/")["web.caddy"]
    assert "reverse_proxy * @BACKEND_1@ @BACKEND_2@" in text
    assert "tls_insecure_skip_verify" not in text
    assert "file_server" not in text


def test_arguments_of_a_snippet_become_backends() -> None:
    texts = changed(HERE / "snippets" / "Caddyfile", "http://orders.example.com:8080", "orders.example.com:8080")
    assert "import balanced @BACKEND_1@ @BACKEND_2@ @BACKEND_3@" in texts["Caddyfile"]
    assert "10.5." not in texts["Caddyfile"]
    assert "storage" not in texts["Caddyfile"]
    assert "import checked @HEALTH@" in texts["proxy.caddy"] or "import checked" in texts["proxy.caddy"]


def test_a_range_of_ports_becomes_several_backends() -> None:
    text = changed(HERE / "one" / "Caddyfile", ":9000", ":9000")["Caddyfile"]
    assert "to @BACKEND_1@ @BACKEND_2@ @BACKEND_3@" in text
    assert "http://:@LISTEN_PORT@\nbind @LISTEN_HOST@" in text
    assert "/var/log" not in text


def test_a_proxy_within_the_proxy_reaches_nobody() -> None:
    text = changed(HERE / "gateway" / "Caddyfile", "*.apps.example.com", "chat.apps.example.com")["Caddyfile"]
    assert "handle * {\n\t\treverse_proxy @BACKEND_1@ @BACKEND_2@ {" in text
    assert "reverse_proxy 127.0.0.1:1\n" in text
    assert "forward_auth" not in text
    assert "wiki-1" not in text


def test_dynamic_upstreams_become_a_backend(tmp_path: Path) -> None:
    text = site(tmp_path, ":80 {\n\treverse_proxy {\n\t\tdynamic a app.internal 8080\n\t}\n}\n")
    assert "\t\tto @BACKEND_1@\n" in text


def test_a_snippet_that_is_used_twice_stays_for_the_chosen_use(tmp_path: Path) -> None:
    text = site(
        tmp_path,
        "(up) {\n\treverse_proxy {args[0]} {args[1]} {args[2]}\n}\n"
        ":80 {\n\timport up /a x:1 x:2\n\timport up * y:1 y:2\n}\n",
    )
    assert "import up * @BACKEND_1@ @BACKEND_2@" in text
    assert "x:1" not in text
    assert "reverse_proxy {args[0]}" in text


def test_absolute_imports_name_the_copies(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "a.caddy").write_text(":80 {\n\treverse_proxy a:1\n}\n")
    text = site(tmp_path, "import /etc/caddy/sites/*.caddy\nimport /etc/caddy/none/*.caddy\n")
    assert text == "import @DIR@/sites/a.caddy\n\n"


def test_json_stays_json_with_one_route(tmp_path: Path) -> None:
    main = HERE / "json" / "caddy.json"
    found = OWN.read([main])
    for pool in ("tickets.example.org", "tickets.example.org/api/"):
        text = changed(main, "edge", pool)["caddy.json"]
        raw = json.loads(fill(text, lab_values(tmp_path), "caddy.json"))
        servers = raw["apps"]["http"]["servers"]
        assert servers["edge"]["listen"] == ["127.0.0.1:28999"]
        (route,) = servers["edge"]["routes"]
        proxy = route["handle"][-1]
        assert [each["dial"] for each in proxy["upstreams"]] == ["127.0.0.1:28101", "127.0.0.1:28102"]
        assert servers["plain"]["listen"][0].startswith("unix/")
        assert servers["plain"]["routes"] == []
        assert raw["logging"] == {}
    assert proxy["load_balancing"]["try_duration"] == "4s"
    assert proxy["health_checks"]["active"]["uri"] == "/health"
    assert route["handle"][0] == {"handler": "rewrite", "strip_path_prefix": "/api"}
    assert len(found.pools) == 2
