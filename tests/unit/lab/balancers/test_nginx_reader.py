"""What is read from nginx files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers.configuration import Configuration, Failure, Pool, Value
from lab.balancers.nginx import Nginx
from lab.errors import BadArgumentsError
from tests.support.own_edits import CORPUS

OWN = Nginx.own_files
HERE = CORPUS / "nginx"
ANY = {Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT}


def corpus(name: str) -> Configuration:
    return OWN.read([HERE / name / "nginx.conf"])


def pool(configuration: Configuration, name: str) -> Pool:
    return next(each for each in configuration.pools if each.name == name)


def read(folder: Path, text: str) -> Configuration:
    (folder / "nginx.conf").write_text(text)
    return OWN.read([folder / "nginx.conf"])


def http(folder: Path, text: str) -> Configuration:
    return read(folder, "events {}\nhttp {\n" + text + "\n}\n")


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.iterdir()))
def test_every_place_of_the_corpus_holds_what_it_stands_for(name: str) -> None:
    found = corpus(name)
    assert found.program == "nginx"
    assert next(iter(found.texts)) == HERE / name / "nginx.conf"
    for listener in found.listeners:
        assert found.texts[listener.place.path][listener.place.start :].startswith("server")
        assert set(listener.pools) <= {each.name for each in found.pools}
    for each in found.pools:
        for server in each.servers:
            text = found.texts[server.place.path][server.place.start : server.place.end]
            assert server.address in text or "$" in text
            assert server.place.line == found.texts[server.place.path].count("\n", 0, server.place.start) + 1


def test_defaults_are_those_of_nginx() -> None:
    settings = pool(corpus("simple"), "backend").settings
    assert settings.connect_timeout_s == Value(60.0)
    assert settings.response_timeout_s == Value(60.0)
    assert settings.retries.attempts == Value(3)
    assert settings.retries.on == Value(frozenset(ANY))
    assert settings.retries.non_idempotent_on == Value(frozenset({Failure.CONNECT}))
    assert settings.retries.other_server_from == Value(2)
    assert settings.retries.total_s == Value(None)
    assert settings.checks is None
    assert settings.passive is not None
    assert settings.passive.failures == Value(1)
    assert settings.passive.counted == Value(frozenset(ANY))
    assert settings.passive.ejection_s == settings.passive.window_s == Value(10.0)
    assert settings.idle_timeout_s is None


def test_a_location_inherits_from_server_http_and_included_files() -> None:
    found = corpus("debian")
    settings = pool(found, "app").settings
    assert (settings.connect_timeout_s.value, str(settings.connect_timeout_s.place)) == (5, "nginx.conf:29")
    assert (settings.response_timeout_s.value, str(settings.response_timeout_s.place)) == (90, "proxy.conf:4")
    assert (settings.retries.attempts.value, str(settings.retries.attempts.place)) == (2, "proxy.conf:6")
    assert settings.retries.total_s.value == 20
    assert settings.retries.on.value == ANY | {Failure.ERROR}
    assert settings.passive is not None
    assert settings.passive.counted.value == ANY | {Failure.ERROR}
    assert (settings.passive.failures.value, settings.passive.ejection_s.value) == (3, 15)
    assert settings.idle_timeout_s is not None
    assert settings.idle_timeout_s.value == 20
    plain, tls = found.listeners
    assert (plain.name, plain.tls, plain.pools) == ("www.example.com:80", False, ())
    assert (tls.name, tls.tls, tls.pools, tls.host) == ("www.example.com:443", True, ("app",), "www.example.com")
    assert tls.addresses == ("*:443", "[::]:443")


def test_settings_are_those_of_the_location_that_leads_to_the_pool() -> None:
    found = corpus("shop")
    (listener,) = found.listeners
    assert listener.pools == ("web", "api", "10.2.3.10:4000", "chat")
    assert listener.path == "/"
    api, chat, web = (pool(found, name).settings for name in ("api", "chat", "web"))
    assert api.connect_timeout_s.value == 0.5
    assert api.retries.attempts.value == 3
    assert api.retries.non_idempotent_on.value == ANY | {Failure.ERROR}
    assert api.idle_timeout_s == Value(60.0)
    assert chat.response_timeout_s.value == 3600
    assert chat.retries.attempts.value == 1
    assert chat.retries.on.value == frozenset()
    assert chat.retries.other_server_from.value is None
    assert web.response_timeout_s.value == 30
    assert [each.text for each in found.unknown] == ["proxy_cache_use_stale error timeout http_502"]


def test_backup_servers_are_members_and_servers_that_are_down_are_not() -> None:
    found = corpus("backup")
    orders, reports = pool(found, "orders"), pool(found, "reports")
    assert [each.address for each in orders.servers] == ["192.0.2.21:8080", "192.0.2.22:8080", "192.0.2.90:8080"]
    assert orders.settings.passive is None, "max_fails=0"
    assert orders.settings.retries.attempts.value == 1
    assert reports.settings.passive is not None
    assert reports.settings.passive.ejection_s.value == 60
    assert any("reports-b" in each.text for each in found.unknown), "its max_fails differs"
    assert any("@sorry" in each.text for each in found.unknown)


def test_a_pool_can_be_named_by_a_variable() -> None:
    found = corpus("docker")
    assert found.listeners[0].pools == ("tasks", "canary:5000", "legacy-app:80")
    assert found.listeners[0].host == "localhost"
    assert pool(found, "tasks").settings.connect_timeout_s.value == 1


def test_a_named_location_is_reached_by_try_files() -> None:
    found = corpus("gateway")
    assert found.listeners[0].pools == ("members",)
    assert found.listeners[0].path == "/"
    assert found.listeners[0].host == "www.corp.example.com"
    assert len(pool(found, "members").servers) == 4
    assert "max_conns=200" in " ".join(each.text for each in found.unknown)


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/api/", "/api/"),
        ("= /one", "/one"),
        ("^~ /v1", "/v1"),
        ("~ ^/v2/items", "/v2/items"),
        ("~ ^/v2/items?", "/v2/"),
        ("~ ^/v3$", "/v3"),
        (r"~* \.png$", "/"),
    ],
)
def test_the_path_of_a_listener_leads_to_its_first_pool(location: str, path: str, tmp_path: Path) -> None:
    found = http(tmp_path, f"upstream a {{ server x:1; }} server {{ location {location} {{ proxy_pass http://a; }} }}")
    assert found.listeners[0].path == path


@pytest.mark.parametrize(
    ("written", "seconds"), [("5", 5), ("5s", 5), ("250ms", 0.25), ("1m30s", 90), ("1h", 3600), ('"2m 1s"', 121)]
)
def test_times_follow_the_rules_of_nginx(written: str, seconds: float, tmp_path: Path) -> None:
    server = "server { location / { proxy_pass http://a; } }"
    found = http(tmp_path, f"proxy_read_timeout {written}; upstream a {{ server x:1; }} {server}")
    assert found.pools[0].settings.response_timeout_s.value == pytest.approx(seconds)


def test_a_single_server_is_tried_once_and_never_taken_out(tmp_path: Path) -> None:
    found = http(tmp_path, "server { location / { proxy_pass http://10.0.0.5:8080; } }")
    assert [each.address for each in found.pools[0].servers] == ["10.0.0.5:8080"]
    assert found.pools[0].settings.retries.attempts.value == 1
    assert found.pools[0].settings.passive is None


def test_a_second_location_with_other_settings_is_listed(tmp_path: Path) -> None:
    found = http(
        tmp_path,
        "upstream a { server x:1; server y:1; } server { location / { proxy_pass http://a; }\n"
        "location /slow { proxy_read_timeout 300; proxy_pass http://a; } }",
    )
    assert found.pools[0].settings.response_timeout_s.value == 60
    assert [(each.place.line, "other settings" in each.text) for each in found.unknown] == [(4, True)]


def test_directives_that_nobody_knows_are_listed(tmp_path: Path) -> None:
    lua = 'content_by_lua_block { local a = "}" -- {\n }'
    found = http(tmp_path, f"upstream a {{ server x:1; fair; }} server {{ brotli on; {lua} proxy_read_timeout 5s; }}")
    assert [each.text.split()[0] for each in found.unknown] == ["fair", "brotli", "content_by_lua_block"]
    assert all("\n" not in each.text for each in found.unknown)


def test_latin_1_in_a_comment_moves_no_place(tmp_path: Path) -> None:
    text = "# Büro Köln ß\nevents {}\nhttp { upstream a { server x:1; } # ü\n }\n"
    (tmp_path / "nginx.conf").write_bytes(text.encode("latin-1"))
    found = OWN.read([tmp_path / "nginx.conf"])
    place = found.pools[0].servers[0].place
    assert found.texts[place.path][place.start : place.end] == "server x:1;"


def test_given_files_are_found_by_the_end_of_their_path(tmp_path: Path) -> None:
    main, site, other = tmp_path / "nginx.conf", tmp_path / "copied" / "site.conf", tmp_path / "copied" / "other.txt"
    site.parent.mkdir()
    main.write_text("events {}\nhttp {\n include /etc/nginx/sites/*.conf;\n include @DIR@/other.txt;\n}\n")
    site.write_text("server { listen 8080; }")
    other.write_text("keepalive_timeout 5;")
    found = OWN.read([main, site, other])
    assert [each.addresses for each in found.listeners] == [("*:8080",)]
    assert list(found.texts) == [main, site, other]
    assert found.unknown == ()


def test_a_given_file_that_nothing_includes_is_listed(tmp_path: Path) -> None:
    (tmp_path / "spare.conf").write_text("server { listen 8080; }")
    (tmp_path / "nginx.conf").write_text("events {}\nhttp { }\n")
    found = OWN.read([tmp_path / "nginx.conf", tmp_path / "spare.conf"])
    assert [each.text for each in found.unknown] == ["no file includes spare.conf"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("upstream a { server x:1 }", r'nginx.conf:3: directive "server" is not terminated by ";"'),
        ("proxy_connect_timeout 5s\nproxy_read_timeout 3s;", r"nginx.conf:3: invalid number of arguments"),
        ("server { listen 80;", r"nginx.conf:4: unexpected end of file"),
        ("}", r'nginx.conf:4: unexpected "}"'),
        ("include nope.conf;", r"nginx.conf:3: include nope.conf: there is no such file"),
        ("include nginx.conf;", r"nginx.conf:1: the file includes itself"),
        ("location / { }", r'nginx.conf:3: "location" directive is not allowed here'),
        ("upstream a { server x:1 max_fails=many; server y:1; }", r"nginx.conf:3: .*'many' is not a number"),
        ("upstream a { server x:1 fail_timeout=soon; server y:1; }", r"nginx.conf:3: .*'soon' is not a time"),
    ],
)
def test_an_error_names_file_and_line(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=told):
        http(tmp_path, text)


@pytest.mark.parametrize("text", ["", '{"apps": {}}', "global\n  maxconn 100\n", "events {}\n"])
def test_a_file_of_another_language_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=r"nginx.conf:\d+: "):
        read(tmp_path, text)


def test_a_name_that_two_given_files_have_is_refused(tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text("events {}\nhttp { include @DIR@/a.conf; }\n")
    given = [tmp_path / "one" / "a.conf", tmp_path / "two" / "a.conf"]
    for each in given:
        each.parent.mkdir()
        each.write_text("\n")
    with pytest.raises(BadArgumentsError, match=r"nginx.conf:2: .*could be .*one/a.conf or .*two/a.conf"):
        OWN.read([main, *given])
