"""What is read from Caddyfiles and from Caddy's JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers.caddy import Caddy
from lab.balancers.configuration import CheckKind, Configuration, FailoverSettings, Failure, Value
from lab.errors import BadArgumentsError
from tests.support.own_edits import CORPUS

OWN = Caddy.own_files
HERE = CORPUS / "caddy"
MAINS = [next(path for path in each.iterdir() if path.is_file()) for each in sorted(HERE.iterdir())]
BROKEN = {Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT}


def corpus(name: str) -> Configuration:
    return OWN.read([next(path for path in (HERE / name).iterdir() if path.is_file())])


def settings(configuration: Configuration, pool: str) -> FailoverSettings:
    return next(each.settings for each in configuration.pools if each.name == pool)


def read(folder: Path, text: str, name: str = "Caddyfile") -> Configuration:
    (folder / name).write_text(text)
    return OWN.read([folder / name])


def proxy(folder: Path, options: str) -> FailoverSettings:
    return read(folder, f":80 {{\n\treverse_proxy a:1 b:1 {{\n{options}\n\t}}\n}}\n").pools[0].settings


@pytest.mark.parametrize("main", MAINS, ids=lambda path: path.parent.name)
def test_every_place_of_the_corpus_holds_what_it_stands_for(main: Path) -> None:
    found = OWN.read([main])
    assert next(iter(found.texts)) == main
    names = [each.name for each in found.pools]
    assert len(set(names)) == len(names)
    for each in found.pools:
        assert found.texts[each.place.path][each.place.start : each.place.end].count("reverse_proxy") == 1 or (
            "handle_response" in found.texts[each.place.path]
        )
        for server in each.servers:
            text = found.texts[server.place.path][server.place.start : server.place.end]
            assert server.address in text or "3001-3003" in text
            assert server.place.line == found.texts[server.place.path].count("\n", 0, server.place.start) + 1


def test_defaults_are_those_of_caddy() -> None:
    found = corpus("simple")
    (listener,) = found.listeners
    assert (listener.name, listener.tls, listener.host, listener.path) == (
        "shop.example.com",
        True,
        "shop.example.com",
        "/",
    )
    read = settings(found, "shop.example.com")
    assert read.connect_timeout_s == Value(3.0)
    assert read.response_timeout_s == Value(None)
    assert read.retries.attempts == Value(1)
    assert read.retries.on == Value(frozenset())
    assert read.checks is not None
    assert read.checks.kind == Value(CheckKind.NONE)
    assert read.passive is None
    assert read.idle_timeout_s == Value(120.0)


def test_a_file_with_one_site_needs_no_braces() -> None:
    found = corpus("one")
    assert [each.address for each in found.pools[0].servers] == [f"localhost:300{n}" for n in (1, 2, 3)]
    read = settings(found, ":9000")
    assert read.retries.attempts.value == 3
    assert read.retries.other_server_from.value == 2, "one failure takes a server out"
    assert read.passive is not None
    assert (read.passive.failures.value, read.passive.ejection_s.value) == (1, 30)


def test_imported_sites_with_all_options() -> None:
    found = corpus("sites")
    listeners = {each.name: each for each in found.listeners}
    assert listeners["api.example.com"].addresses == ("api.example.com", "api.example.net")
    assert listeners["api.example.com"].pools == ("api.example.com", "api.example.com/v2/")
    assert listeners["www.example.com"].pools == (), "it only redirects"
    assert listeners["http://status.example.com"].tls is False
    assert listeners["example.com"].path == "/app/"
    read = settings(found, "api.example.com/v2/")
    assert (read.connect_timeout_s.value, str(read.connect_timeout_s.place)) == (0.5, "api.caddy:28")
    assert read.response_timeout_s.value == 3
    assert read.idle_timeout_s is not None
    assert read.idle_timeout_s.value == 30
    assert read.checks is not None
    assert (read.checks.interval_s.value, read.checks.timeout_s.value) == (5, 1)
    assert (read.checks.fall.value, read.checks.rise.value) == (3, 2)
    assert read.checks.path is not None
    assert read.checks.path.value == "/v2/healthz"
    assert read.passive is not None
    assert read.passive.counted.value == BROKEN | {Failure.ERROR}
    assert (read.passive.failures.value, read.passive.window_s and read.passive.window_s.value) == (2, 10)
    assert read.retries.total_s.value == pytest.approx(5.1), "compared before the wait of 100 ms"
    assert read.retries.pause_s.value == pytest.approx(0.1)
    assert read.retries.attempts.value == 51
    assert read.retries.non_idempotent_on.value == {Failure.CONNECT}


def test_a_retry_of_other_methods_must_be_asked_for() -> None:
    read = settings(corpus("sites"), "example.com/app/")
    assert read.retries.attempts.value == 2
    assert read.retries.non_idempotent_on.value == BROKEN
    assert str(read.retries.non_idempotent_on.place) == "web.caddy:11"
    assert read.response_timeout_s.value == 90


def test_snippets_take_arguments_and_variables_have_defaults() -> None:
    found = corpus("snippets")
    orders, reports = found.pools
    assert [each.address for each in orders.servers] == ["orders-1:8000", "orders-2:8000", "orders-3:8000"]
    assert [str(each.place) for each in reports.servers] == ["Caddyfile:19", "Caddyfile:19"]
    assert found.listeners[1].host == "reports.example.com"
    assert not any(each.tls for each in found.listeners)
    assert orders.settings.checks is not None
    assert orders.settings.checks.path is not None
    assert orders.settings.checks.path.value == "/ready"
    assert orders.settings.checks.timeout_s.value == pytest.approx(0.4)
    assert orders.settings.retries.other_server_from.value == 2


def test_matchers_of_hosts_name_the_pools() -> None:
    found = corpus("gateway")
    assert found.listeners[0].pools == ("wiki.apps.example.com", "chat.apps.example.com")
    assert found.listeners[0].host == "wiki.apps.example.com"
    chat = settings(found, "chat.apps.example.com")
    assert chat.retries.other_server_from.value is None, "ip_hash without passive checks"
    assert [each.text for each in found.unknown] == ["unhealthy_request_count 100", "handle_response @down"]


def test_json_says_the_same() -> None:
    found = corpus("json")
    edge, plain = found.listeners
    assert (edge.addresses, edge.tls, edge.host) == ((":443",), True, "tickets.example.org")
    assert edge.pools == ("tickets.example.org", "tickets.example.org/api/")
    assert plain.pools == ()
    read = settings(found, "tickets.example.org/api/")
    assert (read.connect_timeout_s.value, read.idle_timeout_s) == (1, None)
    assert (read.retries.attempts.value, read.retries.total_s.value, read.retries.pause_s.value) == (3, 4.25, 0.25)
    assert read.checks is not None
    assert (read.checks.interval_s.value, read.checks.timeout_s.value) == (3, 1)
    assert read.passive is not None
    assert (read.passive.failures.value, read.passive.ejection_s.value) == (3, 20)
    assert read.passive.counted.value == BROKEN | {Failure.ERROR}
    assert str(read.retries.total_s.place) == "caddy.json:29"


@pytest.mark.parametrize(
    ("written", "seconds"), [("5s", 5), ("250ms", 0.25), ("1m30s", 90), ("1.5h", 5400), ("2d", 172800), ("0", 0)]
)
def test_durations_are_those_of_go_and_days(written: str, seconds: float, tmp_path: Path) -> None:
    read = proxy(tmp_path, f"transport http {{\n dial_timeout {written}\n }}")
    assert read.connect_timeout_s.value == pytest.approx(seconds)


def test_quotes_comments_heredocs_and_continued_lines_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ":80 { # a comment with {\n\trespond /x <<EOF\n\t} reverse_proxy x:1\n\tEOF\n"
        '\treverse_proxy "a:1" `b:1` \\\n\t\tc:1 # d:1\n}\n',
    )
    assert [each.address for each in found.pools[0].servers] == ["a:1", "b:1", "c:1"]
    assert [each.place.line for each in found.pools[0].servers] == [5, 5, 6]


def test_dynamic_upstreams_are_one_server_and_listed(tmp_path: Path) -> None:
    found = read(tmp_path, ":80 {\n\treverse_proxy {\n\t\tdynamic a app.internal 8080\n\t}\n}\n")
    assert [each.address for each in found.pools[0].servers] == ["app.internal:8080"]
    assert [each.text for each in found.unknown] == ["dynamic a app.internal 8080"]


def test_unknown_directives_are_listed(tmp_path: Path) -> None:
    found = read(tmp_path, ":80 {\n\trate_limit 5\n\treverse_proxy a:1 {\n\t\tcircuit_breaker x\n\t}\n}\n")
    assert {each.text for each in found.unknown} == {"rate_limit 5", "circuit_breaker x"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (":80 {\n\treverse_proxy a:1\n", "Caddyfile:1: the block is never closed"),
        (":80 {\n\treverse_proxy a:1\n}\n}\n", "Caddyfile:4: `}` without `{`"),
        (":80 {\n\timport nope\n}\n", "Caddyfile:2: import nope: there is no such file or snippet"),
        (":80 {\n\timport\n}\n", "Caddyfile:2: import what"),
        ("(a) {\n import a\n}\n:80 {\n import a\n}\n", "Caddyfile:2: import a imports itself"),
        ("import Caddyfile\n", "Caddyfile:1: the file imports itself"),
        (":80\nreverse_proxy {\n to a:1\n lb_try_duration 5\n}\n", "Caddyfile:4: lb_try_duration 5: not a duration"),
        (":80\nreverse_proxy a {\n lb_retries x\n}\n", "Caddyfile:3: lb_retries x: not a number"),
        ("", "Caddyfile:1: the file has no site"),
        ("global\n maxconn 100\nfrontend x\n bind *:80\n", "Caddyfile:1: 'global' is no site"),
        ("events {}\nhttp {\n server { }\n}\n", "Caddyfile:1: .* is no site"),
        ('{"apps": {"http": {}}}', "Caddyfile:1: no `apps.http.servers`"),
        ('{"apps":\n {"http": }', "Caddyfile:2: Expecting value"),
    ],
)
def test_an_error_names_file_and_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=told.replace("{", r"\{").replace("}", r"\}")):
        read(tmp_path, text)
