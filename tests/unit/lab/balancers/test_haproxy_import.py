"""HAProxy's files: what they mean for failover, and what the lab changes in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.balancers.configuration import CheckKind, Checks, Configuration, FailoverSettings, Failure, Passive
from lab.balancers.haproxy import edits, reader
from lab.errors import BadArgumentsError

DEFAULTS = "defaults\n mode http\n timeout connect 2s\n timeout client 9s\n timeout server 30s\n"
FRONT = "frontend web\n bind :80\n default_backend app\n"
SERVERS = " server a 10.0.0.1:80 check\n server b 10.0.0.2:80 check\n"
ALL = {Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT, Failure.ERROR}


def read(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    path = folder / "h.cfg"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return reader.read([path], environment or {})


def settings(folder: Path, pool: str = "", defaults: str = "", servers: str = SERVERS) -> FailoverSettings:
    return read(folder, f"{DEFAULTS}{defaults}{FRONT}backend app\n{pool}{servers}").pools[0].settings


def checks(folder: Path, pool: str = "", servers: str = SERVERS) -> Checks:
    found = settings(folder, pool, servers=servers).checks
    assert found is not None
    return found


def changed(folder: Path, text: str, pool: str = "app", environment: Mapping[str, str] | None = None) -> str:
    """The text after the lab's changes, without empty lines and surplus blanks."""
    found = read(folder, text, environment)
    wanted = next(each for each in found.pools if each.name == pool)
    front = next(each for each in found.listeners if pool in each.pools)
    (result,) = found.texts.values()
    for each in sorted(edits.edits(found, front, wanted, environment or {}), key=lambda each: -each.place.start):
        result = result[: each.place.start] + each.text + result[each.place.end :]
    return "\n".join(" ".join(line.split()) for line in result.splitlines() if line.strip())


def of_pool(folder: Path, pool: str, front: str = FRONT) -> str:
    return changed(folder, f"{DEFAULTS}{front}backend app\n{pool}").partition("\nbackend app\n")[2]


# Reading.


def test_defaults_are_haproxys_own(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert (found.connect_timeout_s.value, found.response_timeout_s.value) == (2.0, 30.0)
    assert found.retries.attempts.value == 4, "three retries after the first attempt"
    assert found.retries.on.value == found.retries.non_idempotent_on.value == {Failure.CONNECT}
    assert found.retries.other_server_from.value is None, "without option redispatch, all go to one server"
    assert found.retries.pause_s.value == 1.0, "min(timeout connect, 1 s)"
    one = checks(tmp_path)
    assert (one.kind.value, one.interval_s.value, one.fall.value, one.rise.value) == (CheckKind.TCP, 2.0, 3, 2)
    assert one.timeout_s.value == 2.0, "without timeout check, inter limits the whole check"


def test_values_keep_file_and_line(tmp_path: Path) -> None:
    found = settings(tmp_path, " retries 1\n")
    assert str(found.connect_timeout_s.place) == "h.cfg:3"
    assert str(found.retries.attempts.place) == "h.cfg:10"


@pytest.mark.parametrize(
    ("time", "seconds"), [("500", 0.5), ("500ms", 0.5), ("2s", 2.0), ("1m", 60.0), ("1500us", 0.0015), ("1h", 3600.0)]
)
def test_a_time_without_unit_is_in_milliseconds(tmp_path: Path, time: str, seconds: float) -> None:
    assert settings(tmp_path, f" timeout server {time}\n").response_timeout_s.value == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("pool", "first"),
    [
        (" option redispatch\n", 2),  # round robin: stream_choose_redispatch does not wait for the last retry
        (" balance leastconn\n option redispatch\n", 4),  # -1: the last of three retries is the fourth attempt
        (" balance leastconn\n option redispatch 1\n", 2),
        (" balance leastconn\n option redispatch 2\n", 3),
        (" balance leastconn\n option redispatch -2\n", 3),
        (" option redispatch 0\n", None),
        (" option redispatch\n retries 0\n", None),
        (" no option redispatch\n", None),
    ],
)
def test_redispatch_says_which_attempt_goes_elsewhere(tmp_path: Path, pool: str, first: int | None) -> None:
    assert settings(tmp_path, pool).retries.other_server_from.value == first


def test_retry_on_and_what_spares_posts(tmp_path: Path) -> None:
    assert settings(tmp_path, " retry-on all-retryable-errors\n").retries.non_idempotent_on.value == ALL
    for rule in ("if METH_POST", "if { method POST PATCH }", "unless { method GET HEAD }"):
        found = settings(tmp_path, f" retry-on all-retryable-errors\n http-request disable-l7-retry {rule}\n").retries
        assert found.on.value == ALL
        assert found.non_idempotent_on.value == {Failure.CONNECT}
    found = settings(tmp_path, " retry-on all-retryable-errors\n http-request disable-l7-retry\n").retries
    assert found.on.value == {Failure.CONNECT}
    assert settings(tmp_path, " retry-on none\n").retries.on.value == frozenset()


@pytest.mark.parametrize(
    ("pool", "server", "kind", "handshakes"),
    [
        # Each was tried with HAProxy 2.6 and a server that accepts connections and is silent.
        ("", "check check-ssl verify none", CheckKind.TLS, True),
        (" option httpchk\n", "check check-ssl verify none", CheckKind.HTTP, True),
        (" option httpchk\n", "check", CheckKind.HTTP, False),
        ("", "check ssl verify none", CheckKind.TLS, True),
        ("", "check ssl verify none no-check-ssl", CheckKind.TCP, False),
        ("", "check ssl verify none port 9443", CheckKind.TCP, False),
        ("", "check ssl verify none port 9443 check-ssl", CheckKind.TLS, True),
        (" default-server check-ssl\n", "check no-check-ssl", CheckKind.TCP, False),
        (" option ssl-hello-chk\n", "check", CheckKind.TLS, False),
        (" option tcp-check\n tcp-check connect ssl\n", "check", CheckKind.TLS, True),
        (" option tcp-check\n tcp-check connect port 81\n", "check check-ssl", CheckKind.TCP, False),
        (" option httpchk\n http-check connect default\n", "check check-ssl", CheckKind.HTTP, True),
        ("", "check-ssl", CheckKind.NONE, False),
    ],
)
def test_a_check_over_tls_is_an_http_check_only_with_httpchk(
    tmp_path: Path, pool: str, server: str, kind: CheckKind, handshakes: bool
) -> None:
    found = checks(tmp_path, pool, f" server a 10.0.0.1:80 {server}\n")
    assert (found.kind.value, found.handshakes) == (kind, handshakes)


def test_timeout_check_begins_after_connecting(tmp_path: Path) -> None:
    servers = " server a 10.0.0.1:80 check inter 5s\n"
    found = checks(tmp_path, " timeout check 500ms\n", servers)
    assert found.timeout_s.value == 2.5, "timeout connect is less"
    assert found.connect_timeout_s is not None
    assert (found.connect_timeout_s.value, str(found.connect_timeout_s.place)) == (2.0, "h.cfg:3")
    servers = " server a 10.0.0.1:80 check inter 1s\n"
    assert checks(tmp_path, " timeout check 500ms\n", servers).timeout_s.value == 1.5, "inter is less"


def test_check_intervals_paths_and_default_server(tmp_path: Path) -> None:
    pool = " option httpchk\n http-check send meth GET uri /up\n default-server check fastinter 300 fall 5\n"
    found = checks(tmp_path, pool, " server a 10.0.0.1:80 downinter 9s rise 1\n server b 10.0.0.2:80 no-check\n")
    assert (found.kind.value, found.path and found.path.value) == (CheckKind.HTTP, "/up")
    assert (found.doubt_interval_s.value, found.down_interval_s.value) == (0.3, 9.0)
    assert (found.fall.value, found.rise.value, str(found.fall.place)) == (5, 1, "h.cfg:12")
    old = checks(tmp_path, " option httpchk HEAD /old HTTP/1.1\n")
    assert old.path is not None
    assert old.path.value == "/old"
    assert checks(tmp_path, servers=" server a 10.0.0.1:80\n").kind.value is CheckKind.NONE


@pytest.mark.parametrize(("action", "failures"), [("", 12), (" on-error mark-down", 4), (" on-error sudden-death", 8)])
def test_observe_counts_errors_in_a_row(tmp_path: Path, action: str, failures: int) -> None:
    server = f" server a 10.0.0.1:80 check observe layer7 error-limit 4{action}\n"
    found = settings(tmp_path, servers=server).passive
    assert isinstance(found, Passive)
    assert (found.failures.value, found.counted.value, found.returns_by_checks) == (failures, ALL, True)


def test_named_defaults_are_inherited_and_last_ones_apply(tmp_path: Path) -> None:
    text = (
        f"defaults base\n timeout connect 7s\n retries 1\ndefaults other\n timeout connect 1s\n{FRONT}"
        f"backend app from base\n{SERVERS}backend more\n{SERVERS}"
    )
    app, more = (each.settings for each in read(tmp_path, text).pools)
    assert (app.connect_timeout_s.value, app.retries.attempts.value) == (7.0, 2)
    assert (more.connect_timeout_s.value, more.retries.attempts.value) == (1.0, 4)
    with pytest.raises(BadArgumentsError, match=r"h.cfg:1: there is no defaults section 'none'"):
        read(tmp_path, f"backend x from none\n{SERVERS}")


def test_quotes_escapes_comments_and_variables(tmp_path: Path) -> None:
    text = (
        'backend "a\\ b#c" # a comment\n server \'s 1\' "${HOST}:${PORT-81}" check # more\n server s\\ 2 10.0.0.1:80\n'
    )
    (pool,) = read(tmp_path, text, {"HOST": "10.0.0.9"}).pools
    assert pool.name == "a\\ b#c".replace("\\ ", " ")
    assert [(each.name, each.address) for each in pool.servers] == [("s 1", "10.0.0.9:81"), ("s 2", "10.0.0.1:80")]
    with pytest.raises(BadArgumentsError, match=r"h.cfg:2: a quote is not closed"):
        read(tmp_path, "backend a\n server 's 10.0.0.1:80\n")


def test_a_backup_or_disabled_server_is_not_in_use(tmp_path: Path) -> None:
    servers = f"{SERVERS} server c 10.0.0.3:80 backup\n server d 10.0.0.4:80 disabled\n server e 10.0.0.5:80 weight 0\n"
    (pool,) = read(tmp_path, f"{FRONT}backend app\n{servers}").pools
    assert [each.name for each in pool.servers] == ["a", "b"]


def test_a_frontend_that_only_redirects_leads_nowhere(tmp_path: Path) -> None:
    text = f"{FRONT} http-request redirect scheme https unless {{ ssl_fc }}\nbackend app\n{SERVERS}"
    assert read(tmp_path, text).listeners[0].pools == ()
    both = text.replace(" bind :80\n", " bind :80\n bind :443 ssl crt x.pem\n")
    assert read(tmp_path, both).listeners[0].pools == ("app",)


def test_what_is_not_translated_is_listed(tmp_path: Path) -> None:
    pool = (
        " stick on src\n no option prefer-last-server\n timeout queue 3s\n a-new-word x\n"
        " use-server a if { path / }\n server a 10.0.0.1:80 check agent-check fall 2\n"
    )
    text = f"{FRONT} use_backend %[hdr(x)]\n.if defined(X)\n.endif\nbackend app\n{pool} server b 10.0.0.2:80 check\n"
    told = [f"{each.place} {each.text}" for each in read(tmp_path, text).unknown]
    assert told == [
        "h.cfg:5 .if defined(X) (all branches are read)",
        "h.cfg:6 .endif (all branches are read)",
        "h.cfg:4 use_backend %[hdr(x)]",
        "h.cfg:8 stick on src",
        "h.cfg:9 no option prefer-last-server",
        "h.cfg:10 timeout queue 3s",
        "h.cfg:11 a-new-word x",
        "h.cfg:12 use-server a if { path / }",
        "h.cfg:13 agent-check",
        "h.cfg:14 b differs from a in fall",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("upstream app { server a; }\n", "h.cfg:1: upstream is outside of any section"),
        ("global\n maxconn 9\n", "h.cfg has no frontend, listen or backend section"),
        (f"backend a\n retries many\n{SERVERS}", "h.cfg:2: 'many' is not a number"),
        (f"backend a\n timeout server soon\n{SERVERS}", "h.cfg:2: 'soon' is not a time"),
        (f'backend a\n timeout server "${{T}}"\n{SERVERS}', "h.cfg:2: the environment variable T is not set"),
        ("backend a\n server-template s 0-x h:80\n", "h.cfg:2: '0-x' is no number of servers"),
        ("backend a\n server s\n", "h.cfg:2: server has no address"),
    ],
)
def test_bad_files_are_refused_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadArgumentsError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(said)
    assert error.value.next_step


# Changing.


def test_what_touches_the_host_is_removed(tmp_path: Path) -> None:
    text = (
        "global\n daemon\n chroot /var/lib/haproxy\n user haproxy\n group haproxy\n pidfile /run/h.pid\n nbproc 4\n"
        " stats socket /run/h.sock\n master-worker\n ulimit-n 99\n zero-warning\n maxconn 99999999\n nbthread 2\n"
        " log /dev/log local0\n log 10.0.0.9:514 len 99 local1 notice\n"
        f"{FRONT}backend app\n{SERVERS}"
    )
    head = changed(tmp_path, text).partition("frontend")[0].splitlines()
    assert head[0] == "global"
    assert head[1].startswith("maxconn ")
    assert int(head[1].split()[1]) < 99999999
    assert head[2:] == ["nbthread 2", "log stdout format raw local0"]


def test_the_first_plain_address_becomes_the_labs_and_others_are_not_opened(tmp_path: Path) -> None:
    front = (
        "frontend web\n bind :443 ssl crt x.pem\n bind :80 name plain interface eth0 accept-proxy\n bind :81\n"
        " default_backend app\n"
    )
    text = f"{front}frontend stats\n bind :8404\n stats enable\nbackend app\n{SERVERS}"
    binds = [line for line in changed(tmp_path, text).splitlines() if line.startswith("bind")]
    assert binds == ["bind @LISTEN@ name plain"]


def test_tls_is_removed_from_a_frontend_that_has_nothing_else(tmp_path: Path) -> None:
    text = (
        "frontend web\n bind :443 ssl crt x.pem alpn h2\n http-request deny unless { ssl_fc }\n default_backend app\n"
        f"backend app\n{SERVERS}"
    )
    assert changed(tmp_path, text).startswith("frontend web\nbind @LISTEN@\ndefault_backend app")


def test_servers_become_backends_and_keep_what_decides_failover(tmp_path: Path) -> None:
    pool = (
        " source 10.0.0.9\n default-server check inter 3s ssl verify none ca-file /x on-marked-down shutdown-sessions\n"
        " server a a.internal:443 send-proxy-v2 resolvers dns init-addr none port 9000 fall 2 slowstart 5s\n"
        " server b b.internal:443 agent-check agent-port 1 observe layer7 error-limit 3 weight 5 maxconn 9\n"
        " server c c.internal:443 backup\n"
    )
    assert of_pool(tmp_path, pool).splitlines() == [
        "default-server check inter 3s on-marked-down shutdown-sessions",
        "server a @BACKEND_1@ fall 2 slowstart 5s",
        "server b @BACKEND_2@ observe layer7 error-limit 3 weight 5 maxconn 9",
        "server c 127.0.0.1:1 disabled",
    ]


def test_a_template_becomes_servers(tmp_path: Path) -> None:
    pool = " server-template s 2-3 _http._tcp.app:80 check resolvers dns inter 1s\n"
    assert of_pool(tmp_path, pool).splitlines() == [
        "server s2 @BACKEND_1@ check inter 1s",
        "server s3 @BACKEND_2@ check inter 1s",
    ]


def test_no_other_host_is_ever_contacted(tmp_path: Path) -> None:
    text = (
        f"resolvers dns\n nameserver n 10.0.0.2:53\n parse-resolv-conf\npeers p\n peer one 10.0.0.3:1024\n"
        f"mailers m\n mailer x 10.0.0.4:25\nring r\n server log 10.0.0.5:514\n{FRONT}backend app\n{SERVERS}"
        "listen db\n bind 10.0.0.6:5432\n option pgsql-check\n server d 10.0.0.7:5432 check\n"
    )
    assert "10.0.0." not in changed(tmp_path, text)


def test_a_tracked_servers_checks_stay(tmp_path: Path) -> None:
    text = (
        f"{FRONT}backend app\n server a 10.0.0.1:80 track health/a\n server b 10.0.0.2:80 track health/b\n"
        "backend health\n option httpchk GET /up\n server a 10.0.0.1:81 check\n server b 10.0.0.2:81 check\n"
        " server c 10.0.0.3:81 check\n"
    )
    assert changed(tmp_path, text).partition("backend health\n")[2].splitlines() == [
        "option httpchk GET @HEALTH@",
        "server a @BACKEND_1@ check",
        "server b @BACKEND_2@ check",
        "server c 127.0.0.1:1 disabled",
    ]


@pytest.mark.parametrize(
    ("pool", "lines"),
    [
        (" option httpchk\n", ["option httpchk GET @HEALTH@"]),
        (" option httpchk /up\n", ["option httpchk GET @HEALTH@"]),
        (" option httpchk HEAD /up HTTP/1.0\n", ["option httpchk HEAD @HEALTH@ HTTP/1.0"]),
        (" option httpchk POST /up\n", ["option httpchk GET @HEALTH@"]),
        (
            " option httpchk\n http-check connect ssl\n http-check send meth PUT uri /up hdr Host x body y\n"
            " http-check expect string ok\n http-check expect ! rstatus ^5\n",
            [
                "option httpchk",
                "http-check connect",
                "http-check send meth GET uri @HEALTH@ hdr Host x",
                "http-check expect status 200",
                "http-check expect ! rstatus ^5",
            ],
        ),
        (" option httpchk\n http-check send meth HEAD\n", ["option httpchk @HEALTH@", "http-check send meth HEAD"]),
    ],
)
def test_http_checks_request_what_the_labs_backends_have(tmp_path: Path, pool: str, lines: list[str]) -> None:
    assert of_pool(tmp_path, pool + SERVERS).splitlines()[: len(lines)] == lines


def test_all_requests_reach_the_pool_and_rules_about_failover_stay(tmp_path: Path) -> None:
    front = (
        "frontend web\n bind :80\n acl dead nbsrv(app) lt 1\n acl api path_beg /api\n"
        " http-request redirect scheme https unless { ssl_fc }\n http-request deny if { src_conn_rate gt 9 }\n"
        " http-request deny if dead\n http-request set-path /x%[path]\n bind :443 ssl\n"
        " use_backend sorry if dead\n use_backend app if api\n use_backend be_queue if { path /q }\n"
        " default_backend www\n"
    )
    text = f"{front}backend app\n{SERVERS}backend www\n{SERVERS}backend sorry\n{SERVERS}backend be_queue\n{SERVERS}"
    assert changed(tmp_path, text).partition("\nbackend app\n")[0].splitlines() == [
        "frontend web",
        "bind @LISTEN@",
        "acl dead nbsrv(app) lt 1",
        "acl api path_beg /api",
        "http-request deny if dead",
        "use_backend sorry if dead",
        "default_backend app",
    ]


def test_checks_of_another_protocol_are_refused(tmp_path: Path) -> None:
    for pool in (" option redis-check\n", " option tcp-check\n tcp-check send PING\\r\\n\n"):
        with pytest.raises(BadArgumentsError, match=r"h.cfg:\d+: the checks of app .* speak a protocol"):
            of_pool(tmp_path, pool + SERVERS)


def test_missing_files_are_named_unless_they_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "there.map").write_text("")
    text = f"global\n ssl-dh-param-file /none/dh.pem\n{DEFAULTS} errorfile 503 /none/503\n{FRONT}backend app\n{SERVERS}"
    assert "/none" not in changed(tmp_path, text)
    rules = (
        f" acl x src -f /none/list\n acl y hdr(host),map({tmp_path}/there.map) -m found\n"
        " http-request set-var(txn.a) hdr(host),map_beg(/none/hosts.map,x)\n"
    )
    with pytest.raises(BadArgumentsError, match="files that the configuration reads are not on this machine") as error:
        changed(tmp_path, text.replace(FRONT, FRONT + rules))
    assert error.value.details == ("h.cfg:12: /none/list", "h.cfg:14: /none/hosts.map")


def test_environment_variables_are_written_out(tmp_path: Path) -> None:
    text = f'{DEFAULTS} timeout queue "${{QUEUE}}"\n log-tag "$TAG"\n{FRONT}backend app\n{SERVERS}'
    result = changed(tmp_path, text, environment={"QUEUE": "3s", "TAG": "a b"})
    assert 'timeout queue 3s\nlog-tag "a b"' in result
    with pytest.raises(BadArgumentsError, match=r"h.cfg:7: the environment variable TAG is not set"):
        changed(tmp_path, text, environment={"QUEUE": "3s"})


def test_other_bytes_and_line_numbers_stay(tmp_path: Path) -> None:
    text = f"# f\udcfcr K\udcf6ln\r\n{FRONT.replace(chr(10), chr(13) + chr(10))}backend app\r\n{SERVERS}"
    found = read(tmp_path, text)
    assert found.listeners[0].place.line == 2
    assert "# f\udcfcr K\udcf6ln" in changed(tmp_path, text)
