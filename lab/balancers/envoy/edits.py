"""What the lab changes in Envoy's configuration so that it can run it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from ..configuration import Configuration, Edit, Listener, Pool
from ..documents import Node, settled, unknown, whole, without_items
from ..own_confinement import DEVICES
from .bootstrap import Bootstrap, Way, is_type, name, source_path
from .reader import servers, ways_to

_ASKERS: Final = {
    "ExtAuthz": "asks another service about every request",
    "JwtAuthentication": "refuses requests without a token",
    "RateLimit": "asks another service about every request",
    "LocalRateLimit": "limits the rate of requests",
    "OAuth2": "refuses requests without a login",
    "RBAC": "may refuse the lab's requests",
    "BasicAuth": "refuses requests without a password",
    "ApiKeyAuth": "refuses requests without a key",
    "CsrfPolicy": "may refuse the lab's requests",
    "ExternalProcessor": "sends every request to another service",
    "Tap": "writes requests elsewhere",
}
"""Types of HTTP filters that the lab removes, and why."""
_OUTSIDE: Final = {
    "stats_sinks": "sends statistics elsewhere",
    "tracing": "sends traces elsewhere",
    "hds_config": "asks a control plane",
    "flags_path": "is a folder of this machine",
}
"""Fields of the bootstrap file that the lab removes, and why."""
_CLUSTER: Final = {
    "upstream_bind_config": "binds to an address of your host",
    "dns_resolvers": "asks your name servers",
    "dns_resolution_config": "asks your name servers",
    "typed_dns_resolver_config": "asks your name servers",
    "transport_socket": "the lab's backends do not use TLS",
    "transport_socket_matches": "the lab's backends do not use TLS",
    "http2_protocol_options": "the lab's backends use HTTP/1.1",
}
"""Fields of the cluster under test that the lab removes, and why."""
_LISTENER: Final = {
    "additional_addresses": "are addresses of your host",
    "socket_options": "may need privileges",
    "transparent": "needs privileges",
    "freebind": "is for addresses of your host",
    "bind_to_port": "would keep the listener closed",
    "use_original_dst": "is for redirected connections",
}
"""Fields of the listener under test that the lab removes, and why."""
_REWRITES: Final = ("prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite")
_LOGS: Final = ("FileAccessLog", "StdoutAccessLog", "StderrAccessLog")
_WRITES: Final = "the lab lets programs write into the run's folder only"
_CLOSED: Final = "a listener that is not under test accepts nothing"
_NEVER_USED: Final = "servers of other pools are not contacted"


def edits(configuration: Configuration, listener: Listener, pool: Pool) -> list[Edit]:
    """Return the changes for one way through the configuration. Nothing that decides failover is among them."""
    bootstrap = Bootstrap(dict(configuration.texts))
    node = next(each for each in bootstrap.listeners if _place(each) == listener.place)
    way = next(each for each in ways_to(bootstrap, node) if pool.name in each.clusters)
    cluster = next(each for each in bootstrap.clusters if name(each) == pool.name)
    found = [
        *_outside(bootstrap),
        *(edit for one in bootstrap.listener_lists for edit in _others(one, node, _CLOSED)),
        *_entrance(node, way),
        *_manager(way),
        *_routing(bootstrap, way, pool, ways_to(bootstrap, node)),
        *_clusters(bootstrap, cluster),
        *_pool(bootstrap, cluster),
    ]
    return settled([*found, *_logs(bootstrap)], bootstrap.documents.values())


def _place(listener: Node) -> object:
    return (listener.at("name") or listener.at("address")).place


def _removed(parent: Node, reasons: Mapping[str, str]) -> Iterator[Edit]:
    for field, reason in reasons.items():
        if found := parent.at(field):
            yield found.edit("null", reason)


def _socket(address: Node, target: str, reason: str) -> Iterator[Edit]:
    """Yield the changes of an `address` so that it names the lab's address whose placeholder begins with `target`."""
    socket = address.at("socket_address")
    host, port = socket.at("address"), socket.at("port_value")
    if host and port and not list(unknown(socket, "address port_value protocol")):
        yield host.edit(f'"@{target}_HOST@"', reason)
        yield port.edit(f"@{target}_PORT@", reason)
    else:
        values = f'{{"address": "@{target}_HOST@", "port_value": @{target}_PORT@}}'
        yield address.edit(f'{{"socket_address": {values}}}', reason)


def _outside(bootstrap: Bootstrap) -> Iterator[Edit]:
    """Yield the changes of what reaches outside the lab: admin, control plane, secrets, files."""
    main = bootstrap.main
    if address := main.at("admin", "address"):
        yield from _socket(address, "ADMIN", "the lab's address for administration")
    if path := main.at("admin", "access_log_path"):
        yield _in_folder(path, _WRITES)
    yield from _removed(main, _OUTSIDE)
    yield from _removed(main.at("cluster_manager"), {"load_stats_config": "asks a control plane"})
    yield from _removed(main.at("cluster_manager"), {"upstream_bind_config": "binds to an address of your host"})
    yield from _removed(main.at("static_resources"), {"secrets": "nothing uses TLS any more"})
    layers = main.at("layered_runtime", "layers")
    outside = [each for each in layers.listing() if each.at("disk_layer") or each.at("rtds_layer")]
    yield from without_items(layers, [(each, "reads settings from elsewhere") for each in outside])
    dynamic = main.at("dynamic_resources")
    yield from _removed(dynamic, {"ads_config": "asks a control plane"})
    for field in ("lds_config", "cds_config"):
        yield from _source(dynamic.at(field))


def _source(source: Node) -> Iterator[Edit]:
    """Yield the changes of a `config_source`: a file is in the run's folder, a control plane is not asked."""
    if path := source_path(source):
        yield _in_folder(path, "the copy of this file")
        yield from _removed(source.at("path_config_source"), {"watched_directory": "the copy does not change"})
    elif source:
        yield source.edit("null", "asks a control plane")


def _in_folder(path: Node, reason: str) -> Edit:
    return path.edit(json.dumps(f"@DIR@/{path.string().rpartition('/')[2]}"), reason)


def _logs(bootstrap: Bootstrap) -> Iterator[Edit]:
    """Yield the changes of log files, and of logs that are sent elsewhere."""
    for node in (each for document in bootstrap.documents.values() for each in document.walk()):
        if not isinstance(node.value, dict):
            continue
        logs = node.at("access_log")
        if isinstance(logs.value, list):
            sent = [
                each for each in logs.listing() if not any(is_type(each.at("typed_config"), kind) for kind in _LOGS)
            ]
            yield from without_items(logs, [(each, "this log is sent elsewhere") for each in sent])
        path = node.at("event_log_path") or (node.at("path") if is_type(node, "FileAccessLog") else node.at("no path"))
        if path and path.string() not in DEVICES:
            yield _in_folder(path, _WRITES)


def _others(listing: Node, chosen: Node, reason: str) -> Iterator[Edit]:
    yield from without_items(listing, [(each, reason) for each in listing.listing() if each is not chosen])


def _entrance(listener: Node, way: Way) -> Iterator[Edit]:
    """Yield the changes of the listener under test."""
    yield from _socket(listener.at("address"), "LISTEN", "the lab's address for requests")
    yield from _removed(listener, _LISTENER)
    filters = listener.at("listener_filters")
    odd = [
        each for each in filters.listing() if name(each).endswith(("proxy_protocol", "original_dst", "tls_inspector"))
    ]
    yield from without_items(filters, [(each, "the lab connects directly, and without TLS") for each in odd])
    chain = way.chain
    yield from _removed(chain, {"transport_socket": "the lab's requests are not encrypted"})
    yield from _removed(chain, {"filter_chain_match": "all of the lab's connections take this filter chain"})
    yield from _others(listener.at("filter_chains"), chain, "a filter chain that is not under test")
    if chain is not listener.at("default_filter_chain"):
        yield from _removed(listener, {"default_filter_chain": "a filter chain that is not under test"})
    refusing = [
        each for each in chain.at("filters").listing() if any(is_type(each.at("typed_config"), k) for k in _ASKERS)
    ]
    yield from without_items(chain.at("filters"), [(each, "may refuse the lab's connections") for each in refusing])


def _manager(way: Way) -> Iterator[Edit]:
    """Yield the changes of the connection manager. It loses only what keeps the lab's requests from the routes."""
    manager = way.manager
    yield from _removed(manager, {"tracing": "sends traces elsewhere"})
    codec = manager.at("codec_type")
    if codec and codec.string() not in ("AUTO", "HTTP1"):
        yield codec.edit("AUTO", "the lab's requests use HTTP/1.1")
    yield from _removed(way.host, {"require_tls": "the lab's requests are not encrypted"})
    yield from _source(manager.at("rds", "config_source"))
    filters = manager.at("http_filters")
    asking = [
        (each, why)
        for each in filters.listing()
        for kind, why in _ASKERS.items()
        if is_type(each.at("typed_config"), kind)
    ]
    yield from without_items(filters, asking)


def _routing(bootstrap: Bootstrap, way: Way, pool: Pool, ways: list[Way]) -> Iterator[Edit]:
    """Yield the changes that let every request of the lab reach the pool."""
    own = [each for each in ways if each.host is way.host]
    reaching = [each for each in own if pool.name in each.clusters] if way.route else [way]
    for each in (entry for one in reaching for entry in one.weighted):
        if (each.at("name").string() == pool.name) != (each.at("weight").string("0") != "0"):
            yield each.at("weight").edit(
                "1" if each.at("name").string() == pool.name else "0", f"all requests of the lab go to {pool.name}"
            )
    if not way.route:
        return
    if way.host is not ways[0].host:
        hosts = bootstrap.routes(way.manager).at("virtual_hosts").listing()
        for number, host in enumerate(hosts, 1):
            chosen = host is way.host
            domains = '["*"]' if chosen else f'["other-{number}.invalid"]'
            reason = (
                "requests with any Host header take this virtual host"
                if chosen
                else "the lab sends no such Host header"
            )
            yield host.at("domains").edit(domains, reason)
    kept = {id(each.route) for each in reaching}
    routes = way.host.at("routes")
    others = [each for each in routes.listing() if id(each) not in kept]
    yield from without_items(routes, [(each, f"this route does not lead to {pool.name}") for each in others])
    for one in reaching:
        yield from _removed(one.action, dict.fromkeys(_REWRITES, "the lab's backends get the path as the lab sends it"))
    if not any(each.any_request for each in reaching):
        yield from _any_request(reaching[0])


def _without_prefix(prefix: str) -> str:
    """Return the rewriting that removes the prefix from paths that have it."""
    pattern = {"pattern": {"regex": "^" + re.escape(prefix.rstrip("/")) + "/"}, "substitution": "/"}
    return f'"regex_rewrite": {json.dumps(pattern)}'


def _any_request(way: Way) -> Iterator[Edit]:
    """Yield the changes that make a route accept every request."""
    match, reason = way.route.at("match"), "every request of the lab takes this route"
    for field in ("prefix", "path", "path_separated_prefix", "safe_regex", "path_match_policy", "connect_matcher"):
        if found := match.at(field):
            yield found.rename('"prefix": "/"', reason)
    if way.prefix != "/":
        yield way.action.insert(_without_prefix(way.prefix), "the lab's backends have no such prefix")
    conditions = (
        "headers",
        "query_parameters",
        "runtime_fraction",
        "grpc",
        "tls_context",
        "dynamic_metadata",
        "cookies",
    )
    yield from _removed(match, dict.fromkeys(conditions, reason))


def _clusters(bootstrap: Bootstrap, chosen: Node) -> Iterator[Edit]:
    for cluster in bootstrap.clusters:
        if cluster is not chosen:
            kind = {"@type": cluster.at("@type").string()} if cluster.at("@type") else {}  # in a discovery file
            yield cluster.edit(json.dumps({**kind, "name": name(cluster), "type": "STATIC"}), _NEVER_USED)


def _pool(bootstrap: Bootstrap, cluster: Node) -> Iterator[Edit]:
    """Yield the changes of the cluster under test."""
    assignment = bootstrap.assignments[name(cluster)]
    for listing in (document.at("resources") for document in bootstrap.documents.values()):
        unused = [each for each in listing.listing() if each.at("cluster_name") and each is not assignment]
        yield from without_items(listing, [(each, _NEVER_USED) for each in unused])
    for number, endpoint in enumerate(servers(assignment), 1):
        yield from _server(endpoint, number)
    yield from _source(cluster.at("eds_cluster_config", "eds_config"))
    yield from _removed(cluster, _CLUSTER)
    for options in cluster.at("typed_extension_protocol_options").mapping().values():
        for field in ("auto_config", "use_downstream_protocol_config"):
            if found := options.at(field):
                yield found.rename(
                    '"explicit_http_config": {"http_protocol_options": {}}', "the lab's backends use HTTP/1.1"
                )
        explicit = options.at("explicit_http_config")
        if explicit and not explicit.at("http_protocol_options"):
            yield explicit.edit('{"http_protocol_options": {}}', "the lab's backends use HTTP/1.1")
    for check in cluster.at("health_checks").listing():
        yield from _check(check)


def _server(endpoint: Node, number: int) -> Iterator[Edit]:
    reason = f"the lab's backend {number}"
    yield from _socket(endpoint.at("address"), f"BACKEND_{number}", reason)
    check = endpoint.at("health_check_config")
    if port := check.at("port_value"):
        yield port.edit(f"@BACKEND_{number}_PORT@", reason)
    if address := check.at("address"):
        yield from _socket(address, f"BACKEND_{number}", reason)
    yield from _removed(endpoint, {"additional_addresses": f"{reason} has one address"})


def _check(check: Node) -> Iterator[Edit]:
    """Yield the changes of a health check that the lab's backends could not pass."""
    answered = "the lab's backends answer there"
    http = check.at("http_health_check")
    if http and http.at("path").string() != "/health":
        yield http.at("path").edit('"@HEALTH@"', answered)
    statuses = http.at("expected_statuses")
    if statuses and not any(whole(each.at("start")) <= 200 < whole(each.at("end")) for each in statuses.listing()):
        yield statuses.edit("null", "the lab's backends answer 200")
    yield from _removed(
        http, {"service_name_matcher": "expects a header of your servers", "receive": "expects your servers' answer"}
    )
    codec = http.at("codec_client_type")
    if codec and codec.string() != "HTTP1":
        yield codec.edit("HTTP1", "the lab's backends use HTTP/1.1")
    if grpc := check.at("grpc_health_check"):
        yield grpc.rename('"http_health_check": {"path": "@HEALTH@"}', "the lab's backends do not speak gRPC")
    tcp = check.at("tcp_health_check")
    if tcp.at("send") or tcp.at("receive"):
        yield tcp.edit("{}", "the lab's backends do not know this message")
    outside = ("tls_options", "transport_socket_match_criteria", "event_logger", "event_service")
    yield from _removed(check, dict.fromkeys(outside, "only the lab's backends are asked, without TLS"))
