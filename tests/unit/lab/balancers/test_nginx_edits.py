"""What the lab changes in nginx files."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import pytest

from lab.balancers.configuration import Edit
from lab.balancers.nginx import Nginx
from lab.balancers.substitution import fill
from tests.support.own_edits import CORPUS, choose, edited, lab_values, strangers, ways

OWN = Nginx.own_files
HERE = CORPUS / "nginx"
TREES = sorted(path.name for path in HERE.iterdir())


def changed(main: Path, listener: str, pool: str) -> tuple[dict[str, str], list[Edit]]:
    """The texts by file name, and the edits."""
    found = OWN.read([main])
    edits = OWN.edits(found, *choose(found, listener, pool))
    return {path.name: text for path, text in edited(found, edits).items()}, list(edits)


def http(folder: Path, text: str, listener: str = "*:80", pool: str = "a") -> str:
    (folder / "nginx.conf").write_text("events {}\nhttp {\n" + text + "\n}\n")
    return changed(folder / "nginx.conf", listener, pool)[0]["nginx.conf"]


@pytest.mark.parametrize("name", TREES)
def test_no_address_outside_the_lab_is_left(name: str, tmp_path: Path) -> None:
    found = OWN.read([HERE / name / "nginx.conf"])
    pairs = ways(found)
    assert pairs
    for listener, pool in pairs:
        edits = OWN.edits(found, listener, pool)
        values = lab_values(tmp_path)
        for path, text in edited(found, edits).items():
            # The first is no address to contact, and no directive uses the variable of the second any more.
            bare = text.replace("allow 10.0.0.0/8;", "").replace('"yes"   canary:5000;', "")
            assert "http://$" not in bare
            assert strangers(fill(bare, values, path.name)) == [], (path, pool.name)


@pytest.mark.parametrize("name", ["simple", "shop", "docker"])
def test_what_decides_failover_is_never_changed(name: str) -> None:
    decides = re.compile(r"(?:proxy_next_upstream|proxy_\w+_timeout|max_fails|fail_timeout|keepalive|weight)\b[^;]*")
    found = OWN.read([HERE / name / "nginx.conf"])
    for listener, pool in ways(found):
        for path, text in edited(found, OWN.edits(found, listener, pool)).items():
            assert decides.findall(text) == decides.findall(found.texts[path])


def test_the_default_log_of_requests_stays_in_the_labs_folder(tmp_path: Path) -> None:
    # nginx would open /var/log/nginx/access.log, which a container does not have.
    main = tmp_path / "nginx.conf"
    http = "upstream a { server h1:80; server h2:80; } server { location / { proxy_pass http://a; } }"
    for log in ("", "access_log off;"):
        main.write_text(f"events {{}}\nhttp {{ {log} {http} }}")
        found = OWN.read([main])
        ((listener, pool),) = ways(found)
        text = edited(found, OWN.edits(found, listener, pool))[main]
        assert ("access_log access.log;" in text) == (not log)


def test_servers_of_the_pool_become_backends_and_keep_their_parameters() -> None:
    texts, edits = changed(HERE / "shop" / "nginx.conf", "10.2.0.1:8080", "api")
    assert "server @BACKEND_1@ weight=2 max_fails=2 fail_timeout=5s;" in texts["10-upstreams.conf"]
    assert "server @BACKEND_3@ max_fails=2 fail_timeout=5s;" in texts["10-upstreams.conf"]
    assert "upstream web { server 127.0.0.1:1; server 127.0.0.1:1; }" in texts["10-upstreams.conf"]
    reasons = {str(each.place): each.reason for each in edits}
    assert reasons["10-upstreams.conf:4"] == "the lab's backend in place of 10.2.1.11:9000"


def test_a_location_with_a_prefix_is_reached_by_every_path() -> None:
    texts, _ = changed(HERE / "shop" / "nginx.conf", "10.2.0.1:8080", "api")
    site = texts["20-shop.conf"]
    assert 'location ~ ^/ { rewrite "^/api(?:/(.*))?$" /$1 break;' in site
    assert "proxy_pass http://api;" in site
    assert "location / {\n        proxy_cache pages;" in site


def test_limits_and_credentials_that_would_refuse_the_lab_are_removed() -> None:
    texts, _ = changed(HERE / "shop" / "nginx.conf", "10.2.0.1:8080", "api")
    assert "limit_req " not in texts["20-shop.conf"]
    assert "limit_conn " not in texts["20-shop.conf"]
    assert "auth_request off;" in texts["20-shop.conf"]
    texts, _ = changed(HERE / "gateway" / "nginx.conf", "www.corp.example.com:443", "members")
    assert "deny" not in texts["nginx.conf"]
    assert "auth_basic off;" in texts["nginx.conf"]


def test_the_chosen_server_listens_at_the_labs_address_and_others_are_removed() -> None:
    texts, edits = changed(HERE / "debian" / "nginx.conf", "www.example.com:443", "app")
    site = texts["www.example.com"]
    assert site.count("listen ") == 1
    assert "listen @LISTEN@ default_server;" in site
    assert "return 301" not in site
    assert site.splitlines()[7] == "server {", "lines keep their numbers"
    (listen,) = (each for each in edits if "@LISTEN@" in each.text)
    assert listen.reason == "the lab's address, without TLS in place of 443 ssl http2"


def test_nothing_of_tls_is_left_that_reads_a_file() -> None:
    texts, _ = changed(HERE / "debian" / "nginx.conf", "www.example.com:443", "app")
    assert "ssl_certificate" not in texts["ssl-example.conf"]
    assert "ssl_dhparam" not in texts["nginx.conf"]
    assert "ssl_protocols" in texts["nginx.conf"]


def test_absolute_includes_name_the_copies_and_those_without_files_are_removed() -> None:
    texts, edits = changed(HERE / "debian" / "nginx.conf", "www.example.com:443", "app")
    assert "include @DIR@/conf.d/upstream-app.conf;" in texts["nginx.conf"]
    assert "include @DIR@/sites-enabled/www.example.com;" in texts["nginx.conf"]
    assert "modules-enabled" not in texts["nginx.conf"]
    assert "include snippets/proxy.conf;" in texts["www.example.com"]
    reasons = {str(each.place): each.reason for each in edits}
    assert reasons["nginx.conf:4"] == "no file for /etc/nginx/modules-enabled/*.conf was given"


def test_what_concerns_the_machine_is_changed() -> None:
    texts, edits = changed(HERE / "gateway" / "nginx.conf", "www.corp.example.com:443", "members")
    main = texts["nginx.conf"]
    assert "geoip2" not in main
    assert f"user {getpass.getuser()};" in main
    assert "stream {" not in main
    assert "working_directory" not in main
    assert "access_log off;" in main
    assert "proxy_bind" not in main
    assert "proxy_pass http://members;" in main
    assert "grpc_pass 127.0.0.1:1;" in main
    assert any("ngx_http_geoip2_module.so is not installed" in each.reason for each in edits)


def test_a_redirect_to_tls_is_never_taken() -> None:
    texts, _ = changed(HERE / "docker" / "nginx.conf", "localhost:8000", "tasks")
    assert 'if ($request_method = "") {' in texts["nginx.conf"]
    assert "resolver 127.0.0.1:1;" in texts["nginx.conf"]
    assert "proxy_pass http://tasks;" in texts["nginx.conf"]


def test_a_server_without_listen_gets_one(tmp_path: Path) -> None:
    text = http(tmp_path, "upstream a { server x:1; } server { location / { proxy_pass http://a; } }")
    assert "server { listen @LISTEN@ default_server; location /" in text


def test_a_single_address_becomes_the_first_backend(tmp_path: Path) -> None:
    text = http(tmp_path, "server { location / { proxy_pass https://10.0.0.5:8443/app/; } }", pool="10.0.0.5:8443")
    assert "proxy_pass http://@BACKEND_1@;" in text


def test_files_that_only_a_removed_server_includes_name_no_stranger_either(tmp_path: Path) -> None:
    (tmp_path / "old.conf").write_text("location / { proxy_pass http://10.0.0.9:80; }\n")
    main = tmp_path / "nginx.conf"
    main.write_text(
        "events {}\nhttp { upstream a { server x:1; } server { listen 81; include old.conf; }\n"
        "server { location / { proxy_pass http://a; } } }\n"
    )
    texts, _ = changed(main, "*:80", "a")
    assert "include old.conf" not in texts["nginx.conf"]
    assert "proxy_pass http://127.0.0.1:1;" in texts["old.conf"]


@pytest.mark.parametrize("block", ["map $a $b { deny 1; user 2; }", "types { text/html html; }"])
def test_values_of_tables_are_not_directives(block: str, tmp_path: Path) -> None:
    text = http(tmp_path, f"{block} upstream a {{ server x:1; }} server {{ location / {{ proxy_pass http://a; }} }}")
    assert block in text
