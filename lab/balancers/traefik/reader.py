"""Reads Traefik's configuration: routers, services, and what decides their failover.

Defaults are those of Traefik 3.7: https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

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
from ..documents import Node, absent, setting, truth, unknown, whole
from .sources import Sources, read_files

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_GO_DURATION: Final = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)")
_BALANCER_KNOWN: Final = (
    "servers server sticky strategy healthCheck passiveHealthCheck passHostHeader serversTransport responseForwarding"
)
_CHECK_KNOWN: Final = (
    "scheme mode path method status port interval unhealthyInterval timeout hostname followRedirects headers body"
)
_RETRY_KNOWN: Final = (
    "attempts initialInterval timeout maxRequestBodyBytes status disableRetryOnNetworkError retryNonIdempotentMethod"
)
_DECIDING: Final = "circuitBreaker buffering errors plugin inFlightReq"
"""Middlewares that may decide failover, and that the lab does not model."""


def read(files: Sequence[Path]) -> Configuration:
    """Return what static and dynamic files, or flags and labels of a compose file, say of failover."""
    sources = read_files(list(files))
    routers = [Router(sources, name, node) for name, node in http(sources, "routers")]
    balancers = [(name, node) for name, node in http(sources, "services") if node.at("loadBalancer")]
    found = Configuration(
        "traefik",
        sources.texts,
        tuple(_listener(each) for each in routers),
        tuple(_pool(sources, name, node, routers) for name, node in balancers),
        tuple(_unknown(sources)),
    )
    at_home: Configuration = _translated(found, sources.origins)
    return at_home


def _translated(found: Any, origins: dict[tuple[Path, int], Place]) -> Any:
    """Return the same with the places of generated texts replaced by those that they come from."""
    if isinstance(found, Place):
        return origins.get((found.path, found.line), found)
    if isinstance(found, tuple):
        return tuple(_translated(each, origins) for each in found)
    if is_dataclass(found) and not isinstance(found, type):
        values = {each.name: getattr(found, each.name) for each in fields(found)}
        changed = {name: _translated(value, origins) for name, value in values.items() if name != "texts"}
        return replace(found, **changed)
    return found


def http(sources: Sources, kind: str) -> Iterator[tuple[str, Node]]:
    """Yield name and node of each router, service, middleware or transport in the dynamic documents."""
    for document in sources.dynamic:
        yield from ((name, each) for name, each in document.at("http", kind).mapping().items() if each)


def named(sources: Sources, kind: str, reference: str) -> Node:
    """Return the node that a reference such as `retry@file` names; absent if there is none, or it is built in."""
    wanted, _, provider = reference.partition("@")
    if provider == "internal":
        return absent()
    return next((each for name, each in http(sources, kind) if name == wanted), absent())


def words(node: Node) -> list[str]:
    """Return the items of a list, which labels write as one text with commas."""
    if isinstance(node.value, list):
        return [each.string() for each in node.listing()]
    return [each.strip() for each in node.string().split(",") if each.strip()]


class Router:
    """A router, the services that it leads to, and the entry points of its requests."""

    def __init__(self, sources: Sources, name: str, node: Node) -> None:
        self.name = name
        self.node = node
        self.sources = sources

    @property
    def entry_points(self) -> dict[str, Node]:
        """Entry points by name. Without any in the static configuration, Traefik listens on port 80."""
        every = self.sources.static.at("entryPoints").mapping()
        wanted = words(self.node.at("entryPoints"))
        return {name: each for name, each in every.items() if (name in wanted if wanted else _by_default(name, every))}

    @property
    def services(self) -> list[str]:
        """Names of the load balancers that the service leads to, the one with the largest weight first."""
        return list(dict.fromkeys(self._services(self.node.at("service").string(), 0)))

    def _services(self, reference: str, depth: int) -> Iterator[str]:
        service = named(self.sources, "services", reference)
        if service.at("loadBalancer"):
            yield reference.partition("@")[0]
        if depth > 8:  # services that refer to each other
            return
        weighted = service.at("weighted", "services").listing()
        order = sorted(weighted, key=lambda each: -int(each.at("weight").string("1")))
        inner = [each.at("name").string() for each in order]
        inner += [service.at("mirroring", "service").string(), service.at("failover", "service").string()]
        inner += [service.at("failover", "fallback").string()]
        for each in filter(None, inner):
            yield from self._services(each, depth + 1)

    @property
    def middlewares(self) -> list[tuple[str, Node]]:
        """Name and definition of each middleware, chains resolved; those of entry points come first."""
        wanted = [each for point in self.entry_points.values() for each in words(point.at("http", "middlewares"))]
        return list(self._middlewares([*wanted, *words(self.node.at("middlewares"))], 0))

    def _middlewares(self, references: list[str], depth: int) -> Iterator[tuple[str, Node]]:
        for reference in references:
            node = named(self.sources, "middlewares", reference)
            yield reference.partition("@")[0], node
            if node.at("chain") and depth < 8:
                yield from self._middlewares(words(node.at("chain", "middlewares")), depth + 1)

    @property
    def rule(self) -> str:
        """The condition on requests."""
        return self.node.at("rule").string()

    @property
    def host(self) -> str:
        """A Host header that the rule accepts; empty if it needs none."""
        found = re.search(r"(?<!!)\bHost\(\s*[`\"']([^`\"']+)", self.rule)
        return found[1] if found else ""

    @property
    def prefix(self) -> str:
        """Prefix of the path that the rule accepts."""
        found = re.search(r"(?<!!)\b(?:PathPrefix|Path)\(\s*[`\"']([^`\"']+)", self.rule)
        return found[1] if found else "/"

    @property
    def tls(self) -> bool:
        """Whether its requests are encrypted."""
        points = self.entry_points.values()
        own = self.node.at("tls")
        return (bool(own) and own.value != "false") or any(point.at("http", "tls") for point in points)


def _by_default(name: str, every: Any) -> bool:
    chosen = [each for each, point in every.items() if truth(point.at("asDefault"))]
    return name in chosen if chosen else name != "traefik"


def _listener(router: Router) -> Listener:
    points = router.entry_points.values()
    addresses = tuple(each.at("address").string() for each in points) or (":80",)
    place = router.node.place
    return Listener(router.name, place, addresses, router.tls, tuple(router.services), router.host, router.prefix)


def _pool(sources: Sources, name: str, node: Node, routers: Sequence[Router]) -> Pool:
    balancer = node.at("loadBalancer")
    found = []
    for each in balancer.at("servers").listing():
        url = (each.at("url") or each.at("address")).string()
        address = re.sub(r"^\w+://|/.*$", "", url)
        secure = url.startswith("https")
        found.append(Server(url, address if ":" in address else f"{address}:{443 if secure else 80}", each.place))
    router = next((each for each in routers if name in each.services), None)
    strategy = balancer.at("strategy")
    own_key = strategy.string().lower() in {"hrw", "leasttime"}
    pinned = Value(f"strategy: {strategy.string()}", strategy.place) if own_key else None
    return Pool(name, node.place, tuple(found), _settings(sources, balancer, router), pinned)


def seconds(node: Node) -> float:
    """Return a Go duration such as `1m30s`, or a number of seconds. Raise `BadArgumentsError` for anything else."""
    text = node.string()
    if re.fullmatch(r"\d+", text):
        return float(text)
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(parts) != text:
        raise node.error("expected a duration, such as 500ms or 1m30s")
    return float(sum(float(re.sub(r"[^\d.]", "", each)) * _UNITS[re.sub(r"[\d.]", "", each)] for each in parts))


def _limit(node: Node) -> float | None:
    """Return a duration, of which 0 means none."""
    return seconds(node) or None


def _settings(sources: Sources, balancer: Node, router: Router | None) -> FailoverSettings:
    """Return the settings of a load balancer and of the first router that leads to it.

    https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/load-balancing/serverstransport/
    """
    own = balancer.at("serversTransport").string()
    transport = named(sources, "serversTransports", own) if own else sources.static.at("serversTransport")
    times = transport.at("forwardingTimeouts")
    checks = _checks(balancer.at("healthCheck"))
    return FailoverSettings(
        connect_timeout_s=setting(times.at("dialTimeout"), _limit, 30.0),
        response_timeout_s=setting(times.at("responseHeaderTimeout"), _limit, None),
        retries=_retries(balancer, router),
        checks=checks,
        passive=_passive(balancer.at("passiveHealthCheck"), checked=checks is not None),
        idle_timeout_s=setting(times.at("idleConnTimeout"), _limit, 90.0),
        balancing=setting(balancer.at("strategy"), _balancing, Balancing()),
    )


def _balancing(strategy: Node) -> Balancing:
    """Return the policy. `hrw` hashes the client's address; `leasttime` compares measured response times.

    https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/load-balancing/service/#load-balancing-strategies
    """
    kinds = {
        "wrr": Balancing(),
        "p2c": Balancing(Policy.FEWEST, draws=2),
        "hrw": Balancing(Policy.KEY),
    }
    return kinds.get(strategy.string().lower(), Balancing(Policy.OTHER))


def _checks(node: Node) -> Checks | None:
    """Return the active checks. One result decides, and the servers are asked one after another.

    A server that is down is asked every `unhealthyInterval`; a first check comes one interval after the start.
    https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/load-balancing/service/#health-check
    """
    if not node:
        return None
    interval = setting(node.at("interval"), seconds, 30.0)
    unhealthy = node.at("unhealthyInterval")
    path = node.at("path")
    return Checks(
        Value(CheckKind.HTTP, node.place),
        interval,
        interval,
        Value(seconds(unhealthy), unhealthy.place) if unhealthy else interval,
        setting(node.at("timeout"), seconds, 5.0),
        Value(1),
        Value(1),
        path=Value(path.string(), path.place) if path else None,
    )


def _passive(node: Node, *, checked: bool) -> Passive | None:
    """Return the passive checks: failures without a success between them, within the window.

    Errors of the connection and responses from 500 on count. A server comes back after the same window, or by its
    active checks, if there are any.
    https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/load-balancing/service/#passive-health-check
    """
    if not node:
        return None
    window = setting(node.at("failureWindow"), seconds, 10.0)
    failures = setting(node.at("maxFailedAttempts"), whole, 1)
    return Passive(failures, Value(frozenset(Failure)), window, window, returns_by_checks=checked)


def _retries(balancer: Node, router: Router | None) -> Retries:
    """Return what the middleware `retry` does.

    Without `status`, only a request whose head was not sent is repeated, whatever its method. With it, the statuses
    that Traefik itself answers count like a server's: 502 for a lost connection, 504 for a time-out. Round robin takes
    the next server; other strategies may take the same one, which counts as never.
    https://doc.traefik.io/traefik/v3.7/reference/routing-configuration/http/middlewares/retry/
    """
    found = [node.at("retry") for _, node in (router.middlewares if router else []) if node.at("retry")]
    retry = found[0] if found else absent()
    attempts = setting(retry.at("attempts"), whole, 1)
    connect = frozenset({Failure.CONNECT})
    network = frozenset() if truth(retry.at("disableRetryOnNetworkError")) else connect
    statuses = _statuses(retry.at("status"))
    on = network | statuses if retry else frozenset[Failure]()
    post = on if truth(retry.at("retryNonIdempotentMethod")) else network if retry else frozenset[Failure]()
    strategy = balancer.at("strategy")
    place = retry.place if retry else None
    return Retries(
        attempts,
        Value(on, place),
        Value(post, place),
        setting(strategy, lambda node: 2 if node.string() == "wrr" else None, 2),
        setting(retry.at("timeout"), _limit, None),
        setting(retry.at("initialInterval"), seconds, 0.0),
    )


def _statuses(node: Node) -> frozenset[Failure]:
    """Return the failures that a list of statuses such as `500,502-504` covers; 500 stands for all errors."""
    codes: set[int] = set()
    for each in words(node):
        first, _, last = each.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            raise node.error("expected statuses such as 503 or 502-504")
        codes |= set(range(int(first), min(int(last or first), 599) + 1))
    means = {500: {Failure.ERROR}, 502: {Failure.CONNECT, Failure.CLOSED}, 504: {Failure.TIMEOUT}}
    return frozenset(failure for code in codes for failure in means.get(code, ()))


def _unknown(sources: Sources) -> Iterator[Unknown]:
    for _, service in http(sources, "services"):
        yield from unknown(service.at("loadBalancer"), _BALANCER_KNOWN)
        yield from unknown(service.at("loadBalancer", "healthCheck"), _CHECK_KNOWN)
        yield from unknown(service, among="weighted mirroring failover highestRandomWeight")
    for _, middleware in http(sources, "middlewares"):
        yield from unknown(middleware, among=_DECIDING)
        yield from unknown(middleware.at("retry"), _RETRY_KNOWN)
