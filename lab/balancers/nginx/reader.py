"""Reads nginx files into the parts that decide failover.

Defaults and meanings: https://nginx.org/en/docs/http/ngx_http_upstream_module.html and
https://nginx.org/en/docs/http/ngx_http_proxy_module.html, as of nginx 1.22.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossplane.analyzer import DIRECTIVES

from ...errors import BadArgumentsError
from ..configuration import (
    Balancing,
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
from .syntax import TABLES, Directive, Files, parse

_UNITS: Final = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_TIME: Final = re.compile(r"(?:\d+(?:ms|[smhdwMy]?)\s*)+")
_TARGET: Final = re.compile(
    r"(?:(?:https?|\$scheme)://)(?P<name>unix:[^:]+|[^/$]+|\$\{?\w+\}?)(?::(?=[/$]|$))?(?P<uri>.*)"
)
_IN_UPSTREAM: Final = {
    *("server", "keepalive", "keepalive_timeout", "keepalive_requests", "keepalive_time", "zone"),
    *("least_conn", "ip_hash", "hash", "random"),
}
_MATTER: Final = re.compile(
    r"health_check\w*|check|match|queue|mirror|proxy_cache_use_stale|proxy_limit_rate|balancer_by_lua\w*"
    r"|proxy_request_buffering|proxy_ignore_client_abort|proxy_socket_keepalive|proxy_intercept_errors"
)
"""Directives that may decide what a client sees when a server fails, and that the model has no field for."""
_OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class Lead:
    """A way from a server to a pool: a `proxy_pass` and where it stands."""

    pool: str
    uri: str
    """URI that replaces the location's prefix; empty: the request's own."""
    proxy_pass: Directive
    scopes: tuple[tuple[Directive, ...], ...]
    """Directives around it, the innermost block first."""
    locations: tuple[Directive, ...]
    """Locations that a request passes, the outermost first."""

    @property
    def prefix(self) -> str:
        """Prefix of the request path that the innermost location matches; `/` without a location."""
        return _prefix(self.locations[-1]) if self.locations else "/"


def read(files: Sequence[Path]) -> Configuration:
    """Return what the files say. Raise `BadArgumentsError` with file and line for what is not nginx's language."""
    found = parse(files)
    return Configuration("nginx", found.texts, *_parts(found))


def _parts(found: Files) -> tuple[tuple[Listener, ...], tuple[Pool, ...], tuple[Unknown, ...]]:
    http = tuple(found.children(http_block(found)))
    ways = {server.place: leads(found, server, http) for server in http if server.name == "server"}
    listeners = tuple(_listener(found, server, ways[server.place]) for server in http if server.name == "server")
    every = [lead for each in ways.values() for lead in each]
    upstreams = {each.arguments[0]: each for each in http if each.name == "upstream"}
    named = dict.fromkeys([*upstreams, *(lead.pool for lead in every)])
    pools, unknown = [], list(_unknown(found, found.main))
    for name in named:
        mine = [lead for lead in every if lead.pool == name]
        scopes = [lead.scopes for lead in mine] or [(http,)]
        pool = _pool(found, name, upstreams.get(name), mine, scopes[0])
        pools.append(pool)
        for lead, scope in zip(mine[1:], scopes[1:], strict=True):
            if _pool(found, name, upstreams.get(name), mine, scope).settings != pool.settings:
                told = f"{lead.proxy_pass.text}: this location has other settings for {name} than the first one"
                unknown.append(Unknown(told, lead.proxy_pass.place))
        unknown += _unlike(found, upstreams.get(name))
    for path in found.unused:
        unknown.append(Unknown(f"no file includes {path.name}", Place(path, 1, 0, 0)))
    return listeners, tuple(pools), tuple(dict.fromkeys(unknown))


def http_block(found: Files) -> tuple[Directive, ...]:
    """Return the directives of `http`. Raise `BadArgumentsError` if the main file has no such block."""
    for each in found.children(found.main):
        if each.name == "http":
            return each.block
    name = next(iter(found.texts)).name
    raise BadArgumentsError(f"{name}:1: the file has no `http` block", "give the main file, nginx.conf, first")


def leads(found: Files, server: Directive, http: tuple[Directive, ...]) -> list[Lead]:
    """Return the ways from the server to pools: that of location `/` first, then as in the file."""
    inner = tuple(found.children(server.block))
    if any(_ends(each) for each in inner):
        return []
    ways = list(_ways(found, inner, (inner, http), ()))
    return sorted(ways, key=lambda lead: lead.prefix != "/")


def _ends(directive: Directive) -> bool:
    """Return whether the directive answers every request by itself."""
    if directive.name == "return":
        return True
    everything = ("^", ".*", "^(.*)", "^(.*)$", "^/(.*)$", "^/(.*)", "(.*)", "^.*$")
    redirects = directive.name == "rewrite" and directive.arguments[-1] in ("permanent", "redirect")
    return redirects and directive.arguments[0] in everything


def _ways(
    found: Files, inner: Sequence[Directive], scopes: tuple[tuple[Directive, ...], ...], above: tuple[Directive, ...]
) -> Iterator[Lead]:
    for each in inner:
        if above and _ends(each):
            return
        if each.name == "proxy_pass":
            for pool, uri in targets(each, scopes):
                yield Lead(pool, uri, each, scopes, _entered(above, scopes))
        elif each.name in ("location", "if", "limit_except"):
            block = tuple(found.children(each.block))
            chain = (*above, each) if each.name == "location" else above
            yield from _ways(found, block, (block, *scopes), chain)


def _entered(locations: tuple[Directive, ...], scopes: tuple[tuple[Directive, ...], ...]) -> tuple[Directive, ...]:
    """Return the locations of a request; for a named one, the location that passes requests to it with `try_files`."""
    if not locations or not locations[-1].arguments[-1].startswith("@"):
        return locations
    name = locations[-1].arguments[-1]
    for each in scopes[-2]:
        if each.name == "location" and any(i.name == "try_files" and i.arguments[-1] == name for i in each.block):
            return (each,)
    return ()


def _prefix(location: Directive) -> str:
    """Return a prefix of the paths that the location accepts."""
    path = location.arguments[-1]
    if not location.arguments[0].startswith("~"):
        return path
    literal = re.match(r"\^(/[\w/-]*)", path)
    rest = path[literal.end() : literal.end() + 1] if literal else ""
    if literal is None or rest in ("", "/", "$"):
        return literal[1] if literal else "/"
    # What follows may repeat or replace the last letters, so the prefix ends at the last slash.
    return literal[1][: literal[1].rindex("/") + 1]


def targets(proxy_pass: Directive, scopes: Sequence[Sequence[Directive]]) -> Iterator[tuple[str, str]]:
    """Yield (name, URI) of the upstreams or addresses that a `proxy_pass` can reach, looking up `set` and `map`."""
    match = _TARGET.fullmatch(proxy_pass.arguments[0])
    if match is None:
        url = proxy_pass.arguments[0]
        if not url.startswith("$"):
            return
        for value in _values(url.strip("${}"), scopes):
            if (match := _TARGET.fullmatch(value)) and "$" not in match["name"]:
                yield match["name"], ""
        return
    name = match["name"]
    uri = "" if match["uri"].startswith("$") else match["uri"]
    if not name.startswith("$"):
        yield name, uri
        return
    for value in _values(name.strip("${}"), scopes):
        yield value, uri


def _values(variable: str, scopes: Sequence[Sequence[Directive]]) -> Iterator[str]:
    """Yield the constant values that `set` or `map` give to a variable, a map's default first."""
    for scope in scopes:
        for each in scope:
            if each.name == "set" and each.arguments[0] == f"${variable}" and "$" not in each.arguments[1]:
                yield each.arguments[1]
                return
            if each.name == "map" and each.arguments[1] == f"${variable}":
                pairs = sorted(each.block, key=lambda pair: pair.name != "default")
                yield from dict.fromkeys(pair.arguments[0] for pair in pairs if pair.arguments)
                return


def _listener(found: Files, server: Directive, ways: Sequence[Lead]) -> Listener:
    inner = list(found.children(server.block))
    listens = [each for each in inner if each.name == "listen"]
    addresses = tuple(_address(each.arguments[0]) for each in listens) or ("*:80",)
    names = [name for each in inner if each.name == "server_name" for name in each.arguments]
    host = next((name for name in names if re.fullmatch(r"[\w.-]*\w[.][\w.-]+|localhost", name)), "")
    if not host:
        host = next(("www" + name.removeprefix("*") for name in names if name.startswith(("*.", "."))), "")
    tls = bool(listens) and all({"ssl", "quic"} & set(each.arguments) for each in listens)
    tls = tls or any(each.name == "ssl" and each.arguments == ("on",) for each in inner)
    port = addresses[0].rpartition(":")[2]
    pools = tuple(dict.fromkeys(lead.pool for lead in ways))
    name = f"{host}:{port}" if host else addresses[0]
    return Listener(name, server.place, addresses, tls, pools, host, ways[0].prefix if ways else "/")


def _address(listen: str) -> str:
    """Return host and port: `80` is all addresses, a host alone has port 80."""
    if listen.isdigit():
        return f"*:{listen}"
    return listen if listen.startswith("unix:") or re.search(r":\d+$", listen) else f"{listen}:80"


def members(found: Files, upstream: Directive | None) -> list[Directive]:
    """Return the upstream's servers that may get requests: all but those with `down`."""
    inner = found.children(upstream.block) if upstream else ()
    return [each for each in inner if each.name == "server" and "down" not in each.arguments]


def _pool(
    found: Files,
    name: str,
    upstream: Directive | None,
    ways: Sequence[Lead],
    scopes: Sequence[Sequence[Directive]],
) -> Pool:
    if upstream is None:
        place = ways[0].proxy_pass.place
        return Pool(name, place, (Server(name, name, place),), _settings(found, None, scopes))
    servers = tuple(Server(each.arguments[0], each.arguments[0], each.place) for each in members(found, upstream))
    return Pool(name, upstream.place, servers, _settings(found, upstream, scopes), _pinned(found, upstream))


def _policy(found: Files, upstream: Directive) -> Directive | None:
    """Return the directive that selects the policy; None: round robin."""
    names = ("least_conn", "ip_hash", "hash", "random", "least_time")
    return next((each for each in found.children(upstream.block) if each.name in names), None)


def _balancing(found: Files, upstream: Directive | None) -> Value[Balancing]:
    """Return the policy. Without `zone`, each worker process counts only its own pending requests.

    https://nginx.org/en/docs/http/ngx_http_upstream_module.html
    """
    one = _policy(found, upstream) if upstream is not None else None
    if one is None or upstream is None:
        return Value(Balancing())
    shared = any(each.name == "zone" for each in found.children(upstream.block))
    counters = 1 if shared else _workers(found)
    kinds = {
        "least_conn": Balancing(Policy.FEWEST, counters=counters),
        "random": Balancing(Policy.FEWEST, draws=2, counters=counters)
        if one.arguments[:1] == ("two",)
        else Balancing(Policy.RANDOM),
        "least_time": Balancing(Policy.OTHER),
    }
    return Value(kinds.get(one.name, Balancing(Policy.KEY)), one.place)


def _workers(found: Files) -> int:
    """Return the number of worker processes. With `auto` it is that of this machine's processors."""
    line = next((each for each in found.children(found.main) if each.name == "worker_processes"), None)
    if line is None:
        return 1
    return len(os.sched_getaffinity(0)) if line.arguments[0] == "auto" else _number(line.arguments[0], line)


def _pinned(found: Files, upstream: Directive) -> Value[str] | None:
    """Return the policy if all requests of the lab have one key. Requests whose key is empty are balanced in turn."""
    one = _policy(found, upstream)
    if one is None or one.name not in ("ip_hash", "hash"):
        return None
    key = one.arguments[0] if one.name == "hash" else "$remote_addr"
    left = re.sub(r"\$\{?(?:(?!http_host\b)http_|cookie_|arg_)\w+\}?", "", key)
    differs = re.search(r"\$\{?(?:request_id|remote_port|connection|msec)\b", key) is not None
    return None if differs or not left else Value(one.text, one.place)


def _settings(found: Files, upstream: Directive | None, scopes: Sequence[Sequence[Directive]]) -> FailoverSettings:
    """Return the settings of an upstream for the location whose scopes are given.

    Both time-outs are 60 s by default. The one for responses applies between two reads. After an idle connection that
    the server had closed, nginx tries once more than `attempts` says.
    """
    servers = members(found, upstream)
    conditions = _find(scopes, "proxy_next_upstream")
    words = set(conditions.arguments) if conditions else {"error", "timeout"}
    place = conditions.place if conditions else None
    passive = _passive(servers, words, place) if len(servers) > 1 else None
    slow = next((pair for each in servers for pair in _parameter(each, "slow_start")), None)
    return FailoverSettings(
        connect_timeout_s=_time_of(scopes, "proxy_connect_timeout", 60.0),
        response_timeout_s=_time_of(scopes, "proxy_read_timeout", 60.0),
        retries=_retries(scopes, words, place, max(1, len(servers))),
        checks=None,
        passive=passive,
        slow_start_s=Value(_seconds(*slow), slow[1].place) if slow else None,
        closes_sessions_when_down=Value(False),
        idle_timeout_s=_idle(found, upstream, scopes),
        balancing=_balancing(found, upstream),
    )


def _retries(scopes: Sequence[Sequence[Directive]], words: set[str], place: Place | None, servers: int) -> Retries:
    """Return when nginx passes a request to the next server. It tries no server twice.

    A connection that is not established in time counts as `timeout`, one that is refused as `error`. A request that
    was not sent yet is always repeated, whatever its method.
    """
    on = frozenset() if _OFF in words else _failures(words)
    limit = _find(scopes, "proxy_next_upstream_tries")
    tries = _number(limit.arguments[0], limit) if limit else 0
    attempts = min(tries or servers, servers)
    if not on:
        attempts = 1
    decides = place if not on else limit.place if limit and tries and tries <= servers else None
    total = _time_of(scopes, "proxy_next_upstream_timeout", 0.0)
    return Retries(
        attempts=Value(attempts, decides),
        on=Value(on, place),
        non_idempotent_on=Value(on if "non_idempotent" in words else on & {Failure.CONNECT}, place),
        other_server_from=Value(2 if attempts > 1 else None),
        total_s=Value(total.value or None, total.place),
    )


def _failures(words: set[str]) -> frozenset[Failure]:
    found = {Failure.CONNECT, Failure.CLOSED} if "error" in words else set()
    if "timeout" in words:
        found.add(Failure.TIMEOUT)
    if any(word.startswith("http_5") for word in words):
        found.add(Failure.ERROR)
    return frozenset(found)


def _passive(servers: Sequence[Directive], words: set[str], place: Place | None) -> Passive | None:
    """Return what `max_fails` (1) and `fail_timeout` (10 s) of the first server say; None if `max_fails` is 0.

    Errors and time-outs always count. A status counts only if `proxy_next_upstream` names it. A single server is never
    taken out.
    """
    fails = next(_parameter(servers[0], "max_fails"), None)
    timeout = next(_parameter(servers[0], "fail_timeout"), None)
    failures = Value(_number(*fails), servers[0].place) if fails else Value(1)
    window = Value(_seconds(*timeout), servers[0].place) if timeout else Value(10.0)
    if not failures.value:
        return None
    counted = _failures({"error", "timeout", *words})
    return Passive(failures, Value(counted, place if Failure.ERROR in counted else None), window, window)


def _idle(
    found: Files, upstream: Directive | None, scopes: Sequence[Sequence[Directive]]
) -> Value[float | None] | None:
    """Return how long a connection to a server is kept (60 s); None if it is used for one request only.

    Connections are kept if the upstream has `keepalive` and the location speaks HTTP/1.1.
    """
    inner = list(found.children(upstream.block)) if upstream else []
    kept = next((each for each in inner if each.name == "keepalive"), None)
    version = _find(scopes, "proxy_http_version")
    if kept is None or version is None or version.arguments[0] != "1.1":
        return None
    found_time = _time_of([inner], "keepalive_timeout", 60.0)
    return Value(found_time.value, found_time.place)


def _unlike(found: Files, upstream: Directive | None) -> Iterator[Unknown]:
    """Yield the servers whose `max_fails` or `fail_timeout` differ from the first server's, whose values are used."""
    servers = members(found, upstream)
    names = ("max_fails", "fail_timeout")
    for each in servers[1:]:
        if any([v for v, _ in _parameter(each, n)] != [v for v, _ in _parameter(servers[0], n)] for n in names):
            yield Unknown(f"{each.text}: other max_fails or fail_timeout than the first server", each.place)


def _unknown(found: Files, directives: Sequence[Directive], block: str = "") -> Iterator[Unknown]:
    for each in found.children(directives):
        known = each.name in _IN_UPSTREAM if block == "upstream" else each.name in DIRECTIVES
        matters = _MATTER.fullmatch(each.name) is not None and each.arguments != (_OFF,)
        fallback = each.name == "error_page" and each.arguments[-1].startswith("@")
        if each.name == "proxy_request_buffering":
            matters = each.arguments == (_OFF,)
        limited = block == "upstream" and any(word.startswith("max_conns=") for word in each.arguments)
        if not known or matters or fallback or limited:
            yield Unknown(each.text, each.place)
        if each.name not in TABLES:
            yield from _unknown(found, each.block, each.name)


def _find(scopes: Sequence[Sequence[Directive]], name: str) -> Directive | None:
    """Return the directive of the innermost block that has it: inner blocks inherit from outer ones."""
    return next((each for scope in scopes for each in scope if each.name == name), None)


def _time_of(scopes: Sequence[Sequence[Directive]], name: str, default: float) -> Value[float | None]:
    each = _find(scopes, name)
    return Value(_seconds(each.arguments[0], each), each.place) if each else Value(default)


def _parameter(server: Directive, name: str) -> Iterator[tuple[str, Directive]]:
    for word in server.arguments[1:]:
        key, equals, value = word.partition("=")
        if key == name and equals:
            yield value, server


def _number(text: str, where: Directive) -> int:
    if not text.isdigit():
        raise BadArgumentsError(f"{where.place}: {where.text}: {text!r} is not a number", "write a whole number")
    return int(text)


def _seconds(text: str, where: Directive) -> float:
    """Return a time such as `10s`, `500ms`, `1m30s` or `60` (seconds) in seconds.

    https://nginx.org/en/docs/syntax.html
    """
    if not _TIME.fullmatch(text):
        raise BadArgumentsError(f"{where.place}: {where.text}: {text!r} is not a time", "write it as `10s` or `500ms`")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwMy]?)", text))
