"""What the lab changes in Traefik's configuration so that it can run it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from ..configuration import Configuration, Edit, Listener, Place, Pool
from ..documents import Node, loose, settled, without
from ..own_confinement import DEVICES
from .reader import Router, http, named, words
from .sources import Sources

_KEPT: Final = {
    "entrypoints",
    "providers",
    "global",
    "serverstransport",
    "tcpserverstransport",
    "log",
    "accesslog",
    "core",
    "ping",
}
_STATIC: Final = {
    "api": "the lab has no use for the dashboard",
    "metrics": "sends or shows statistics elsewhere",
    "tracing": "sends traces elsewhere",
    "certificatesresolvers": "the lab asks nobody for certificates",
    "experimental": "loads plugins from elsewhere",
}
"""Fields of the static configuration that the lab removes, and why."""
_ENTRY: Final = {
    "http3": "the lab's requests use HTTP/1.1",
    "proxyProtocol": "the lab connects directly",
    "forwardedHeaders": "the lab connects directly",
    "reusePort": "nothing else listens there",
}
"""Fields of the entry point under test that the lab removes, and why."""
_REFUSING: Final = {
    "basicAuth": "refuses requests without a password",
    "digestAuth": "refuses requests without a password",
    "forwardAuth": "asks another service about every request",
    "ipAllowList": "may refuse the lab's requests",
    "ipWhiteList": "may refuse the lab's requests",
    "rateLimit": "limits the rate of requests",
    "redirectScheme": "sends the lab's requests elsewhere",
    "redirectRegex": "sends the lab's requests elsewhere",
    "addPrefix": "the lab's backends get the path as the lab sends it",
    "replacePath": "the lab's backends get the path as the lab sends it",
    "replacePathRegex": "the lab's backends get the path as the lab sends it",
    "errors": "asks another service for error pages",
    "plugin": "is loaded from elsewhere",
    "passTLSClientCert": "the lab's requests are not encrypted",
    "grpcWeb": "the lab's backends do not speak gRPC",
}
"""Middlewares that the lab removes, and why."""
LOADED_PATH: Final = "/.lab/loaded"
"""Path of a router that the lab adds. Traefik answers 404 until the file provider's routers are in use, all at once."""
_ONLY_ENTRY: Final = "http"
"""Name of the entry point of a static configuration that has none."""
_LOADED: Final = "tells the lab that Traefik has loaded the files"
_OTHER: Final = "only the router under test serves requests"
_NEVER_USED: Final = "servers of other services are not contacted"
_PLAIN: Final = "the lab's backends do not use TLS"


def edits(configuration: Configuration, listener: Listener, pool: Pool) -> list[Edit]:
    """Return the changes for one way through the configuration. Nothing that decides failover is among them."""
    sources = Sources(dict(configuration.texts))
    node = dict(http(sources, "routers"))[listener.name]
    router = Router(sources, listener.name, node)
    balancer = named(sources, "services", pool.name).at("loadBalancer")
    gone = _refusing(router)
    found = [
        *_static(sources, router),
        *_dynamic(sources, router, pool, gone),
        *_router(router, pool),
        *_loaded(sources, router),
        *_lists(router, gone),
        *_balancer(balancer),
        *_compose(sources),
    ]
    return settled(found, [*sources.dynamic, sources.static])


def _removed(parent: Node, reasons: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the edits that remove the entries of these names."""
    wanted = {loose(name): reason for name, reason in reasons.items()}
    entries = parent.value if isinstance(parent.value, dict) else {}
    yield from without(parent, [(each, wanted[loose(key)]) for key, each in entries.items() if loose(key) in wanted])


def _end(document: Node, text: str, reason: str) -> Edit:
    """Return the addition of a section at the end of a TOML document."""
    place = Place(document.path, document.source.count("\n") + 1, len(document.source), len(document.source))
    return Edit(place, f"\n{text}\n", reason)


def _written(parent: Node, key: str, value: dict[str, object], reason: str) -> Iterator[Edit]:
    """Yield the edits that give the entry of a root this value, whether it is there or not."""
    node = parent.at(key)
    if parent.toml:
        yield from _removed(parent, {key: reason})
        sections = {name: each if isinstance(each, dict) else {name: each} for name, each in value.items()}
        for name, each in sections.items():
            header = f"[{key}.{name}]" if isinstance(value[name], dict) else f"[{key}]"
            lines = "\n".join(f"{field} = {json.dumps(inner)}" for field, inner in each.items())
            yield _end(parent, f"{header}\n{lines}", reason)
    elif node or key in parent.mapping():
        yield node.edit(json.dumps(value), reason)
    else:
        yield parent.insert(f"{json.dumps(key)}: {json.dumps(value)}", reason)


def _loaded(sources: Sources, router: Router) -> Iterator[Edit]:
    """Yield the addition of a router that answers as soon as the router under test is in use."""
    yield from _written(sources.static, "ping", {"manualRouting": True}, _LOADED)
    definition = {
        "rule": f"Path(`{LOADED_PATH}`)",
        "service": "ping@internal",
        "priority": 1_000_000,
        "entryPoints": [next(iter(router.entry_points), _ONLY_ENTRY)],
    }
    document = next(each for each in sources.dynamic if router.name in each.at("http", "routers").mapping())
    if document.toml and not document.at("http", "routers").flow:
        lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in definition.items())
        yield _end(document, f"[http.routers.lab-loaded]\n{lines}", _LOADED)
    else:
        yield document.at("http", "routers").insert(f'"lab-loaded": {json.dumps(definition)}', _LOADED, router.node)


def _static(sources: Sources, router: Router) -> Iterator[Edit]:
    static = sources.static
    others = [each for each in static.mapping() if loose(each) not in _KEPT]
    yield from _removed(static, {each: _STATIC.get(loose(each), "not needed to serve requests") for each in others})
    target = sources.folder or (sources.dynamic[0].path.name if sources.dynamic else "")
    kind = "directory" if sources.folder else "filename"
    file: dict[str, object] = {"file": {kind: f"@DIR@/{target}", "watch": False}}
    yield from _written(static, "providers", file, "what other providers would tell is in the copied files")
    yield from _written(static, "global", {"checkNewVersion": False}, "asks a server on the Internet")
    for log in (static.at("log", "filePath"), static.at("accessLog", "filePath")):
        if log and log.string() not in DEVICES:
            yield log.edit(json.dumps(f"@DIR@/{log.string().rpartition('/')[2]}"), "the lab keeps logs in its folder")
    yield from _removed(static.at("serversTransport"), {"rootCAs": _PLAIN, "spiffe": _PLAIN})
    points = router.entry_points
    if not points:
        entry: dict[str, object] = {_ONLY_ENTRY: {"address": "@LISTEN@"}}
        yield from _written(static, "entryPoints", entry, "the lab's address for requests")
        return
    name, chosen = next(iter(points.items()))
    every = static.at("entryPoints")
    unused = [each for each in every.mapping().values() if each is not chosen]
    yield from without(every, [(each, "an entry point that is not under test accepts nothing") for each in unused])
    yield chosen.at("address").edit('"@LISTEN@"', "the lab's address for requests")
    yield from _removed(chosen, _ENTRY)
    dropped = {"tls": "the lab's requests are not encrypted", "redirections": "sends the lab's requests elsewhere"}
    yield from _removed(chosen.at("http"), dropped)
    if words(router.node.at("entryPoints")) not in ([], [name]):
        yield router.node.at("entryPoints").edit(json.dumps([name]), "the entry point under test")


def _dynamic(sources: Sources, router: Router, pool: Pool, gone: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the removal of all routers, services, middlewares and transports but those under test."""
    transport = named(sources, "services", pool.name).at("loadBalancer", "serversTransport").string().partition("@")[0]
    wanted = {
        "routers": {router.name},
        "services": {pool.name},
        "middlewares": {name for name, _ in router.middlewares} - set(gone),
        "serversTransports": {transport},
    }
    for document in sources.dynamic:
        yield from _removed(document, {"tcp": _OTHER, "udp": _OTHER, "tls": "the lab's requests are not encrypted"})
        empty = {}
        for kind, names in wanted.items():
            section = document.at("http", kind)
            reason = _NEVER_USED if kind == "services" else _OTHER
            reasons = {name: gone.get(name, reason) for name in section.mapping() if name not in names}
            if reasons and len(reasons) == len(section.mapping()):
                empty[kind] = "; ".join(dict.fromkeys(reasons.values()))
            else:
                yield from without(section, [(section.mapping()[name], why) for name, why in reasons.items()])
        yield from _removed(document.at("http"), empty)
    own = named(sources, "serversTransports", transport)
    yield from _removed(own, dict.fromkeys(("rootCAs", "certificates", "spiffe", "serverName", "peerCertURI"), _PLAIN))


def _router(router: Router, pool: Pool) -> Iterator[Edit]:
    node = router.node
    service = node.at("service")
    if service.string() != pool.name:
        yield service.edit(json.dumps(pool.name), f"all requests of the lab go to {pool.name}")
    yield from _removed(node, {"tls": "the lab's requests are not encrypted"})
    hosts = rf"Host\(\s*[`\"']{re.escape(router.host)}[`\"']\s*\)" if router.host else r"(?!)"
    if not re.fullmatch(rf"{hosts}|PathPrefix\([`\"']/[`\"']\)", router.rule):
        rule = f"Host(`{router.host}`)" if router.host else "PathPrefix(`/`)"
        yield node.at("rule").edit(f"'{rule}'", "every request of the lab takes this router")


def _refusing(router: Router) -> dict[str, str]:
    """Return the middlewares that keep the lab's requests from the servers, and why each is removed."""
    refusing = {loose(name): reason for name, reason in _REFUSING.items()}
    gone = {}
    for name, node in router.middlewares:
        reasons = [refusing[loose(kind)] for kind in node.mapping() if loose(kind) in refusing]
        if reasons or not node:
            gone[name] = f"{name} {reasons[0] if reasons else 'is not defined in the files'}"
    return gone


def _lists(router: Router, gone: Mapping[str, str]) -> Iterator[Edit]:
    """Yield the changes of the lists that name middlewares."""
    users = [router.node.at("middlewares")]
    users += [each.at("http", "middlewares") for each in router.entry_points.values()]
    users += [node.at("chain", "middlewares") for _, node in router.middlewares]
    for user in users:
        here = words(user)
        plain = [each.partition("@")[0] for each in here]
        left = [each for each in plain if each not in gone]
        if left != here:
            reasons = [gone[each] for each in plain if each in gone]
            yield user.edit(json.dumps(left), "; ".join(reasons) or "all middlewares are in the copied files")


def _balancer(balancer: Node) -> Iterator[Edit]:
    for number, each in enumerate(balancer.at("servers").listing(), 1):
        reason = f"the lab's backend {number}"
        yield (each.at("url") or each.at("address")).edit(f'"http://@BACKEND_{number}@"', reason)
    if transport := balancer.at("serversTransport"):
        plain = transport.string().partition("@")[0]
        if plain != transport.string():
            yield transport.edit(json.dumps(plain), "it is in the copied files")
    check = balancer.at("healthCheck")
    path = check.at("path")
    if path and path.string() != "/health":
        yield path.edit('"@HEALTH@"', "the lab's backends answer there")
    if check.at("mode").string() == "grpc":
        yield check.at("mode").edit('"http"', "the lab's backends do not speak gRPC")
    dropped = {"port": "the lab's backends have one port", "scheme": _PLAIN}
    if check.at("status").string("200") not in ("0", "200"):
        dropped["status"] = "the lab's backends answer 200"
    yield from _removed(check, dropped)


def _compose(sources: Sources) -> Iterator[Edit]:
    """Yield the changes of files that are replaced by generated ones, so that no address of them is left."""
    used = [sources.static.path, *(each.path for each in sources.dynamic)]
    for path, document in sources.documents.items():
        if path not in used:
            names = " and ".join(each.name for each in used)
            place = Place(path, 1, 0, len(document.source))
            yield Edit(place, f"# Written as {names}.\n", f"Traefik in the lab reads {names}")
