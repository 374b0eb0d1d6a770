"""Reads HAProxy's configuration files into listeners, pools and the settings that decide failover.

Defaults and meanings: https://docs.haproxy.org/2.6/configuration.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import (
    Balancing,
    CheckKind,
    Checks,
    Configuration,
    FailoverSettings,
    Failure,
    Listener,
    Passive,
    Place,
    Policy,
    Pool,
    Retries,
    Server,
    Unknown,
    Value,
)
from .server_lines import Parameter, ServerLine, servers
from .syntax import PROXIES, Files, Line, Section, parse

PROGRAM: Final = "haproxy"
_UNITS_S: Final = {"us": 1e-6, "": 1e-3, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
"""Section 2.5: a time without a unit is in milliseconds."""
RETRIES: Final = 3
"""Default of `retries`: https://docs.haproxy.org/2.6/configuration.html#4.2-retries"""
INTER_S, FALL, RISE, ERROR_LIMIT, PURGE_S = 2.0, 3, 2, 10, 5.0
"""Defaults of inter, fall, rise, error-limit and pool-purge-delay: https://docs.haproxy.org/2.6/configuration.html#5.2"""
TURN_AROUND_S: Final = 1.0
"""A retry on the same server waits for the connect time-out, at most this long (section 4.2, `retries`)."""
_BALANCING: Final = {
    "roundrobin": Balancing(),
    "static-rr": Balancing(),
    "leastconn": Balancing(Policy.FEWEST),
    "random": Balancing(Policy.FEWEST, draws=2, repeats=True),
    "first": Balancing(Policy.FIRST),
}
"""All other policies use a key. https://docs.haproxy.org/2.6/configuration.html#4.2-balance"""
_IMMEDIATE: Final = frozenset({"roundrobin", "static-rr", "random"})
"""Policies with which `option redispatch` selects another server at the first retry (`stream_choose_redispatch`)."""
_CHECK_OPTIONS: Final = (
    *("httpchk", "tcp-check", "ssl-hello-chk", "smtpchk", "mysql-check", "pgsql-check", "redis-check", "ldap-check"),
    *("external-check", "spop-check"),
)
SPEAKS: Final = frozenset(_CHECK_OPTIONS) - {"httpchk", "tcp-check"}
"""Checks that no HTTP server passes."""
_L7_RETRIES: Final = {
    "empty-response": {Failure.CLOSED},
    "response-timeout": {Failure.TIMEOUT},
    "500": {Failure.ERROR},
    "502": {Failure.ERROR},
    "503": {Failure.ERROR},
    "504": {Failure.ERROR},
    "conn-failure": {Failure.CONNECT},
    "all-retryable-errors": {Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT, Failure.ERROR},
}
_GLOBAL: Final = re.compile(
    r"(?:tune\.|ssl-|lua-|log|stats|set|max|no[a-z]|nb|expose-|insecure-|profiling\.|thread-group|51degrees-|wurfl-).*"
    r"|(?:un|pre|re)setenv|chroot|user|group|uid|gid|daemon|pidfile|master-worker|mworker-.*|ulimit-n|localpeer|node"
    r"|description|(?:ca|crt)-base|default-path|issuers-chain-path|cpu-map|hard-stop-after|close-spread-time|unix-bind"
    r"|zero-warning|strict-limits|quiet|debug|busy-polling|h1-case-adjust.*|numa-.*|pp2-.*|spread-checks|server-state-base"
)
_PROXY: Final = frozenset(
    {
        *("acl", "backlog", "balance", "bind", "bind-process", "capture", "compression", "declare", "default-server"),
        *("default_backend", "description", "disabled", "enabled", "email-alert", "error-log-format", "errorfile"),
        *("errorfiles", "errorloc", "errorloc302", "errorloc303", "filter", "guid", "hash-type", "http-after-response"),
        *(
            "hash-balance-factor",
            "http-check",
            "http-error",
            "http-request",
            "http-response",
            "http-reuse",
            "id",
            "log",
        ),
        *("http-send-name-header", "log-format", "log-format-sd", "log-tag", "max-keep-alive-queue", "maxconn", "mode"),
        *("monitor", "monitor-net", "monitor-uri", "option", "rate-limit", "redirect", "retries", "retry-on", "server"),
        *("server-template", "source", "stats", "tcp-request", "tcp-response", "timeout", "unique-id-format"),
        *("unique-id-header", "use_backend", "clitcpka-cnt", "clitcpka-idle", "clitcpka-intvl", "srvtcpka-cnt"),
        *("srvtcpka-idle", "srvtcpka-intvl"),
    }
)
_TIMEOUTS: Final = frozenset(
    {
        *("check", "client", "client-fin", "client-hs", "connect", "http-keep-alive", "http-request", "server"),
        *("server-fin", "tarpit", "tunnel"),
    }
)
_OPTIONS: Final = re.compile(
    r"redispatch|httpchk|tcp-check|(?:http|tcp|https)log|accept-invalid-http-.*|checkcache|(?:cli|srv)?tcpka|contstats"
    r"|disable-h2-upgrade|dontlog-?(?:normal|null)|forward(?:ed|for)|h1-case-adjust-.*|http-(?:buffer-request|no-delay)"
    r"|http-(?:ignore-probes|keep-alive|pretend-keepalive|restrict-req-hdr-names|server-close|use-proxy-header|use-htx)"
    r"|httpclose|idle-close-on-response|independent-streams|log-health-checks|log-separate-errors|logasap|nolinger"
    r"|originalto|socket-stats|splice-.*|tcp-smart-(?:accept|connect)"
)
"""Directives of 2.6 that are translated or do not decide failover. All others are listed as unknown."""
_PLAIN: Final = frozenset(
    {
        *("check", "no-check", "inter", "fastinter", "downinter", "fall", "rise", "observe", "error-limit", "on-error"),
        *("on-marked-down", "slowstart", "weight", "cookie", "id", "disabled", "backup", "pool-purge-delay"),
        *(
            "ssl",
            "verify",
            "verifyhost",
            "ca-file",
            "crl-file",
            "crt",
            "sni",
            "check-ssl",
            "check-sni",
            "alpn",
            "proto",
        ),
        *("check-alpn", "check-proto", "ciphers", "ciphersuites", "ssl-min-ver", "ssl-max-ver", "npn", "ws", "source"),
        *("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn", "check-send-proxy", "usesrc"),
        *("proxy-v2-options", "init-addr", "interface", "namespace", "port", "addr", "ssl-reuse", "tls-tickets"),
        *("non-stick", "stick", "redir", "hash-key", "log-proto", "shard", "tfo", "allow-0rtt"),
    }
)
"""Server parameters that are translated or do not decide failover."""
Number = Callable[[Line, int], "float | int"]


def read(files: Sequence[Path], environment: Mapping[str, str] | None = None) -> Configuration:
    """Return what the files say. Raise `BadArgumentsError` for what is not HAProxy's language."""
    found = parse(files, os.environ if environment is None else environment)
    pools = tuple(_pool(section, found) for section in found.proxies("backend", "listen") if servers(section))
    listeners = tuple(_listener(section) for section in found.proxies("frontend", "listen") if section.own("bind"))
    return Configuration(PROGRAM, found.texts, listeners, pools, tuple(_unknown(found)))


def time_s(line: Line, index: int) -> float:
    """Return a word as seconds. Raise `BadArgumentsError` if it is no time."""
    text = line.known(index)
    match = re.fullmatch(r"(\d+)(us|ms|s|m|h|d|)", text)
    if match is None:
        raise BadArgumentsError(f"{line.place()}: {text!r} is not a time", "such as 500ms or 2s; without a unit: ms")
    return int(match[1]) * _UNITS_S[match[2]]


def whole(line: Line, index: int) -> int:
    """Return a word as an integer. Raise `BadArgumentsError` if it is none."""
    text = line.known(index)
    if re.fullmatch(r"-?\d{1,9}", text) is None:
        raise BadArgumentsError(f"{line.place()}: {text!r} is not a number", "haproxy -c says more")
    return int(text)


def bound_addresses(section: Section) -> list[tuple[Line, str]]:
    """Return each address of the section's `bind` lines, with its line."""
    return [(line, address) for line in section.own("bind") for address in line[1].split(",")]


def is_tls(bind: Line) -> bool:
    """Return whether a `bind` line expects TLS."""
    return "ssl" in bind.values[2:]


def _listener(section: Section) -> Listener:
    binds = section.own("bind")
    return Listener(
        section.name,
        section.head.place(),
        tuple(address for _, address in bound_addresses(section)),
        all(map(is_tls, binds)),
        () if _only_redirects(section) else tuple(dict.fromkeys(_targets(section))),
    )


def _only_redirects(section: Section) -> bool:
    """Return whether all requests on plain connections are redirected, and there are no others."""
    lines = [*section.own("redirect"), *section.own("http-request", "redirect")]
    rules = (re.split(r"\s(?:if|unless)\s", f"{' '.join(line.values)} ", maxsplit=1) for line in lines)
    always = any(len(rule) == 1 or rule[1].strip() in {"{ ssl_fc }", "!{ ssl_fc }"} for rule in rules)
    return always and not any(map(is_tls, section.own("bind")))


def _targets(section: Section) -> Iterator[str]:
    if section.kind == "listen" and servers(section):
        yield section.name
    if (line := section.find("default_backend")) is not None:
        yield line.known(1)
    yield from (line[1] for line in section.own("use_backend") if not line[1].startswith("%["))


def _pool(section: Section, found: Files) -> Pool:
    members = servers(section)
    used = [each for each in members if each.in_use]
    return Pool(
        section.name,
        section.head.place(),
        tuple(
            Server(name, each.line[each.at], each.line.place(0, each.at)) for each in used for name in each.names
        ),
        _settings(section, used[0] if used else members[0], found),
        _pinned(section),
    )  # fmt: skip


def _policy(section: Section) -> tuple[str, Line | None]:
    """Return the name of the policy, and its line; round robin is the default."""
    line = section.find("balance")
    return ("roundrobin" if line is None else line[1].partition("(")[0]), line


def _balancing(section: Section) -> Value[Balancing]:
    name, line = _policy(section)
    found = _BALANCING.get(name, Balancing(Policy.KEY))
    draws = re.fullmatch(r"random\((\d+)\)", "" if line is None else line[1])
    if draws is not None:
        found = Balancing(Policy.RANDOM) if int(draws[1]) < 2 else replace(found, draws=int(draws[1]))
    return Value(found, None if line is None else line.place())


def _pinned(section: Section) -> Value[str] | None:
    name, line = _policy(section)
    if line is None or name in _BALANCING.keys() - {"first"}:
        return None
    return Value(f"balance {name}", line.place())


def _settings(section: Section, server: ServerLine, found: Files) -> FailoverSettings:
    connect, down = _timeout(section, "connect"), server.parameters.get("on-marked-down")
    purge = _parameter(server, "pool-purge-delay", time_s, PURGE_S)
    return FailoverSettings(
        connect_timeout_s=connect,
        response_timeout_s=_timeout(section, "server"),
        retries=_retries(section, connect),
        checks=_checks(section, server, found),
        passive=_passive(server),
        slow_start_s=_parameter(server, "slowstart", time_s, 0.0),
        closes_sessions_when_down=Value(
            down is not None and down.value == "shutdown-sessions", None if down is None else _place(down)
        ),
        idle_timeout_s=Value(purge.value, purge.place),
        balancing=_balancing(section),
    )


def _timeout(section: Section, name: str) -> Value[float | None]:
    line = section.find("timeout", name)
    if line is None:
        return Value(None)
    return Value(time_s(line, 2) or None, line.place())


def _parameter(server: ServerLine, name: str, number: Number, default: float) -> Value[float]:
    found = server.parameters.get(name)
    if found is None:
        return Value(default)
    return Value(float(number(found.line, found.last)), _place(found))


def _whole(server: ServerLine, name: str, default: int) -> Value[int]:
    value = _parameter(server, name, whole, default)
    return Value(int(value.value), value.place)


def _retries(section: Section, connect: Value[float | None]) -> Retries:
    """`retries` counts repetitions; without `retry-on`, only connections that failed are repeated."""
    line, wanted, stop = section.find("retries"), section.find("retry-on"), _l7_stop(section)
    again = RETRIES if line is None else whole(line, 1)
    tcp = (mode := section.find("mode")) is None or mode[1] != "http"
    words = wanted.values[1:] if wanted is not None and not tcp else ("conn-failure",)
    on = frozenset(failure for word in words for failure in _L7_RETRIES.get(word, ()))
    place = wanted.place() if wanted is not None else None
    if stop is not None and not any(word in {"if", "unless"} for word in stop.values):
        on, place = on & {Failure.CONNECT}, stop.place()
    spared = Value(on & {Failure.CONNECT}, stop.place()) if stop is not None and _means_post(stop) else Value(on, place)
    pause_s = TURN_AROUND_S if connect.value is None else min(TURN_AROUND_S, connect.value)
    return Retries(
        attempts=Value(1 + again, None if line is None else line.place()),
        on=Value(on, place),
        non_idempotent_on=spared,
        other_server_from=_redispatch(section, again),
        pause_s=Value(pause_s, connect.place),
    )


def _l7_stop(section: Section) -> Line | None:
    """Return the rule after which a request that was sent is not repeated."""
    return next(iter(section.applied("http-request", "disable-l7-retry")), None)


def _means_post(line: Line) -> bool:
    """Return whether the condition of `disable-l7-retry` holds for POST."""
    words = line.values[2:]
    if not words:
        return True
    methods = {word.removeprefix("METH_") for word in words[1:]}
    names_methods = "method" in methods or any(word.startswith("METH_") for word in words)
    return names_methods and ("POST" in methods) == (words[0] == "if")


def _redispatch(section: Section, again: int) -> Value[int | None]:
    """Without `option redispatch`, all attempts go to one server.

    With it, the interval decides: N means every Nth retry, -N the Nth before the last one, and -1 (the default) the
    last one. Round-robin and random policies select another server at the first retry, whatever the interval.
    https://docs.haproxy.org/2.6/configuration.html#4.2-option%20redispatch
    """
    line = section.option("redispatch")
    if line is None:
        return Value(None)
    interval = whole(line, 2) if line[2] else -1
    policy, _ = _policy(section)
    if interval == 0 or again < 1:
        return Value(None, line.place())
    if policy in _IMMEDIATE:
        return Value(2, line.place())
    retry = interval if interval > 0 else again + 1 + interval
    return Value(retry + 1 if 1 <= retry <= again else None, line.place())


def _checks(section: Section, server: ServerLine, found: Files) -> Checks:
    """`timeout check` limits the answer after connecting, for which min(`timeout connect`, `inter`) is the limit.

    Without it, `inter` limits the whole check.
    """
    check, kind = server.parameters.get("check"), section.option(*_CHECK_OPTIONS)
    http = kind is not None and kind[1] == "httpchk"
    place = (kind.place() if kind is not None else _place(check)) if check is not None else None
    interval = _parameter(server, "inter", time_s, INTER_S)
    answer, connect = _timeout(section, "check"), _timeout(section, "connect")
    timeout, connecting = interval, None
    if answer.value is not None:
        connecting = interval
        if connect.value is not None and connect.value < interval.value:
            connecting = Value(connect.value, connect.place)
        timeout = Value(connecting.value + answer.value, answer.place)
    spread = next((line for each in found.sections for line in each.own("spread-checks")), None)
    path = check_path(section) if http and check is not None else None
    tls = _check_tls(section, server)
    plain = CheckKind.TLS if tls or (kind is not None and kind[1] == "ssl-hello-chk") else CheckKind.TCP
    if kind is None and tls is not None:
        place = tls
    return Checks(
        kind=Value(CheckKind.NONE if check is None else CheckKind.HTTP if http else plain, place),
        interval_s=interval,
        doubt_interval_s=_or(server, "fastinter", interval),
        down_interval_s=_or(server, "downinter", interval),
        timeout_s=timeout,
        fall=_whole(server, "fall", FALL),
        rise=_whole(server, "rise", RISE),
        jitter=Value(0.0) if spread is None else Value(whole(spread, 1) / 100, spread.place()),
        path=None if path is None else Value(path[0][path[1]], path[0].place()),
        connect_timeout_s=connecting,
        handshakes=tls is not None,
    )


def _check_tls(section: Section, server: ServerLine) -> Place | None:
    """Return what lets checks begin with a TLS handshake, or None if they do not.

    `check-ssl` does, and so does `ssl` unless the checks have an address of their own; `connect` rules replace both.
    https://docs.haproxy.org/2.6/configuration.html#5.2-check-ssl
    """
    has = server.parameters
    if "check" not in has:
        return None
    rules = [line for word in ("http-check", "tcp-check") for line in section.applied(word, "connect")]
    if rule := next((line for line in rules if "ssl" in line.values[2:]), None):
        return rule.place()
    if rules and not any("default" in line.values[2:] for line in rules):
        return None
    inherited = "ssl" in has and has.keys().isdisjoint({"no-check-ssl", "port", "addr"})
    deciding = "check-ssl" if "check-ssl" in has else "ssl" if inherited else ""
    return _place(has[deciding]) if deciding else None


def check_path(section: Section) -> tuple[Line, int] | None:
    """Return the line and the index of the word that has the path of HTTP checks; None for the default, `/`."""
    for line in reversed(section.applied("http-check", "send")):
        if "uri" in line.values[:-1]:
            return line, line.values.index("uri") + 1
    option = section.option("httpchk")
    if option is None or len(option.words) < 3:
        return None
    return option, 2 if len(option.words) == 3 else 3


def _or(server: ServerLine, name: str, default: Value[float]) -> Value[float]:
    return _parameter(server, name, time_s, 0.0) if name in server.parameters else default


def _passive(server: ServerLine) -> Passive | None:
    """`observe`: errors in a row of live traffic count as one failed check, or as many as `on-error` says.

    The server comes back when its checks pass. https://docs.haproxy.org/2.6/configuration.html#5.2-observe
    """
    observe, error = server.parameters.get("observe"), server.parameters.get("on-error")
    action = "fail-check" if error is None else error.value
    if observe is None or "check" not in server.parameters or observe.value == "none" or action == "fastinter":
        return None
    limit = _whole(server, "error-limit", ERROR_LIMIT)
    fall = _whole(server, "fall", FALL).value
    rounds = {"mark-down": 1, "sudden-death": 2}.get(action, fall)
    layer7 = {Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT, Failure.ERROR}
    return Passive(
        failures=Value(limit.value * rounds, limit.place or _place(observe)),
        counted=Value(frozenset(layer7 if observe.value == "layer7" else {Failure.CONNECT}), _place(observe)),
        ejection_s=Value(0.0),
        returns_by_checks=True,
    )


def _place(parameter: Parameter) -> Place:
    return parameter.line.place(parameter.first, parameter.last)


def _unknown(found: Files) -> Iterator[Unknown]:
    for line in found.conditional:
        yield Unknown(f"{' '.join(line.values)} (all branches are read)", line.place())
    for section in found.sections:
        known = {"global": _known_global, **dict.fromkeys((*PROXIES, "defaults"), _known)}.get(section.kind)
        for line in section.lines:
            if known is not None and not known(line.values[line[0] in {"no", "default"} :]):
                yield Unknown(" ".join(line.values), line.place())
    for section in found.proxies("backend", "listen"):
        yield from _unknown_parameters(servers(section))


def _known_global(words: tuple[str, ...]) -> bool:
    return bool(words) and _GLOBAL.fullmatch(words[0]) is not None


def _known(words: tuple[str, ...]) -> bool:
    """Return whether a directive of a proxy is translated, or does not decide failover."""
    match words:
        case ("option", name, *_):
            return _OPTIONS.fullmatch(name) is not None
        case ("timeout", name, *_):
            return name in _TIMEOUTS
        case ("use_backend", name, *_):
            return not name.startswith("%[")
        case ("http-request", "disable-l7-retry", *condition):
            return _clear(condition)
        case (name, *_):
            return name in _PROXY
    return False


def _clear(words: Sequence[str]) -> bool:
    """Return whether the condition of `disable-l7-retry` is about methods."""
    return not words or any(word == "method" or word.startswith("METH_") for word in words)


def _unknown_parameters(members: Sequence[ServerLine]) -> Iterator[Unknown]:
    seen = set()
    for server in members:
        for name, each in server.parameters.items():
            if name.removeprefix("no-") not in _PLAIN and (place := _place(each)) not in seen:
                seen.add(place)
                yield Unknown(" ".join(each.line.values[each.first : each.last + 1]), place)
    used = [each for each in members if each.in_use]
    for server in used[1:]:
        if differs := [name for name in _CHECKED if _word(server, name) != _word(used[0], name)]:
            told = f"{server.line[1]} differs from {used[0].line[1]} in {', '.join(differs)}"
            yield Unknown(told, server.line.place())


_CHECKED: Final = ("check", "inter", "fastinter", "downinter", "fall", "rise", "observe", "error-limit", "on-error")


def _word(server: ServerLine, name: str) -> str | None:
    found = server.parameters.get(name)
    return None if found is None else found.value
