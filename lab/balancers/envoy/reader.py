"""Reads Envoy's configuration: listeners, clusters, and what decides their failover.

Defaults are those of Envoy 1.40: https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/api
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ...output.inert import one_line
from .. import own_files
from ..configuration import (
    Balancing,
    CheckKind,
    Checks,
    Configuration,
    FailoverSettings,
    Failure,
    Listener,
    Passive,
    Policy,
    Pool,
    Retries,
    Server,
    Unknown,
    Value,
)
from ..documents import Node, absent, dump, loose, number, setting, truth, unknown, whole
from .bootstrap import Bootstrap, Way, chains, name

_ANY: Final = frozenset(Failure)
_RETRIED: Final = {
    "5xx": _ANY,
    "gateway-error": _ANY - {Failure.ERROR},
    "reset": _ANY - {Failure.ERROR},
    "connect-failure": frozenset({Failure.CONNECT}),
    "reset-before-request": frozenset({Failure.CONNECT}),
}
"""Failures that each condition of `retry_on` covers. `gateway-error` covers responses 502 to 504 and all resets, but no
other errors. `5xx` covers resets too: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter"""
_CHECKS_KNOWN: Final = (
    "timeout interval initial_jitter interval_jitter interval_jitter_percent unhealthy_threshold healthy_threshold "
    "reuse_connection http_health_check tcp_health_check grpc_health_check no_traffic_interval "
    "no_traffic_healthy_interval unhealthy_interval unhealthy_edge_interval healthy_edge_interval event_log_path "
    "event_logger event_service always_log_health_check_failures always_log_health_check_success tls_options "
    "transport_socket_match_criteria"
)
_OUTLIERS_KNOWN: Final = (
    "consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx "
    "consecutive_gateway_failure enforcing_consecutive_gateway_failure split_external_local_origin_errors "
    "consecutive_local_origin_failure enforcing_consecutive_local_origin_failure max_ejection_time "
    "successful_active_health_check_uneject_host always_eject_one_host"
)
_RETRY_KNOWN: Final = (
    "retry_on num_retries per_try_timeout per_try_idle_timeout retry_host_predicate retriable_status_codes "
    "host_selection_retry_max_attempts retry_back_off"
)
_CLUSTER_UNKNOWN: Final = (
    "cluster_type lb_subset_config upstream_connection_options preconnect_policy max_requests_per_connection "
    "ignore_health_on_host_removal track_timeouts load_balancing_policy"
)
_ROUTE_UNKNOWN: Final = "hedge_policy max_stream_duration internal_redirect_policy retry_policy_typed_config"


def read(files: Sequence[Path]) -> Configuration:
    """Return what a bootstrap file, and the discovery files that it names, say of failover."""
    bootstrap = Bootstrap({path: own_files.read(path) for path in files})
    pools = tuple(_pool(bootstrap, each) for each in bootstrap.clusters)
    listeners = tuple(filter(None, (_listener(bootstrap, each) for each in bootstrap.listeners)))
    main = bootstrap.main.path
    texts = {main: bootstrap.texts[main]} | bootstrap.texts
    return Configuration("envoy", texts, listeners, pools, tuple(_unknown(bootstrap)))


def ways_to(bootstrap: Bootstrap, listener: Node) -> list[Way]:
    """Return the ways from a listener, the one that most requests take first."""
    own = [each for each in bootstrap.ways if each.listener is listener and each.clusters]
    return sorted(own, key=lambda each: (not each.any_host, not each.any_path))


def _listener(bootstrap: Bootstrap, node: Node) -> Listener | None:
    """Return the listener, or None if it accepts no TCP connections."""
    addresses = [node.at("address"), *(each.at("address") for each in node.at("additional_addresses").listing())]
    if any(each.at("socket_address", "protocol").string() == "UDP" for each in addresses) or not addresses[0]:
        return None
    written = tuple(map(_address, addresses))
    ways = ways_to(bootstrap, node)
    first = ways[0] if ways else None
    host = "" if first is None or first.any_host else _example(first.host.at("domains").listing()[0].string())
    used = [each.chain for each in ways] or chains(node)
    return Listener(
        name(node) or written[0],
        (node.at("name") or node.at("address")).place,
        written,
        bool(used) and all(each.at("transport_socket") for each in used),
        tuple(dict.fromkeys(each for way in ways for each in way.clusters)),
        host,
        first.prefix if first else "/",
    )


def _example(domain: str) -> str:
    """Return a host name that a domain with a wildcard matches."""
    return re.sub(r"\*$", "test", re.sub(r"^\*", "www", domain))


def _address(node: Node) -> str:
    if pipe := node.at("pipe", "path"):
        return pipe.string()
    socket = node.at("socket_address")
    host, port = socket.at("address").string(), socket.at("port_value").string("0")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def servers(assignment: Node) -> list[Node]:
    """Return the `endpoint` mappings of a load assignment that have a socket address."""
    groups = assignment.at("endpoints").listing()
    found = [each.at("endpoint") for group in groups for each in group.at("lb_endpoints").listing()]
    return [each for each in found if each.at("address", "socket_address")]


def _pool(bootstrap: Bootstrap, cluster: Node) -> Pool:
    assignment = bootstrap.assignments[name(cluster)]
    found = []
    for each in servers(assignment):
        address = _address(each.at("address"))
        found.append(Server(each.at("hostname").string(address), address, each.at("address", "socket_address").place))
    ways = [way for each in bootstrap.listeners for way in ways_to(bootstrap, each) if name(cluster) in way.clusters]
    place = (cluster.at("name") or cluster).place
    return Pool(name(cluster), place, tuple(found), _settings(cluster, ways, len(found)), _pinned(cluster, ways))


def _policy(cluster: Node) -> Node:
    """Return the node that names the policy: the first one of `load_balancing_policy`, or `lb_policy`."""
    for each in cluster.at("load_balancing_policy", "policies").listing():
        return each.at("typed_extension_config", "typed_config", "@type")
    return cluster.at("lb_policy")


def _balancing(cluster: Node) -> Value[Balancing]:
    """Return the policy. LEAST_REQUEST compares two hosts, which may be the same one, unless all are to be compared.

    https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/upstream/load_balancing/load_balancers
    """
    node = _policy(cluster)
    kind = loose(node.string("ROUND_ROBIN").rpartition(".")[2])
    own = next(_policies(cluster), cluster.at("least_request_lb_config"))
    draws = setting(own.at("choice_count"), whole, 2).value
    everyone = truth(own.at("enable_full_scan")) or own.at("selection_method").string() == "FULL_SCAN"
    least = Balancing(Policy.FEWEST) if everyone else Balancing(Policy.FEWEST, draws=draws, repeats=True)
    kinds = {
        "roundrobin": Balancing(),
        "leastrequest": least,
        "random": Balancing(Policy.RANDOM),
        "ringhash": Balancing(Policy.KEY),
        "maglev": Balancing(Policy.KEY),
    }
    return Value(kinds.get(kind, Balancing(Policy.OTHER)), node.place if node else None)


def _pinned(cluster: Node, ways: Sequence[Way]) -> Value[str] | None:
    """Return the hash policy if all requests of the lab have one key. Without a key, Envoy selects a host at random."""
    if _balancing(cluster).value.policy is not Policy.KEY:
        return None
    keys = [each for way in ways[:1] for each in way.action.at("hash_policy").listing()] if ways else []
    headers = [each.at("header", "header_name").string().lower() for each in keys]
    if "x-request-id" in headers:
        return None
    for each, header in zip(keys, headers, strict=True):
        if truth(each.at("connection_properties", "source_ip")) or header in {"host", ":authority", ":path", ":method"}:
            return Value(one_line(f"hash_policy {dump(each)}"), each.place)
    return None


def seconds(node: Node) -> float:
    """Return a duration such as `0.25s`. Raise `BadArgumentsError` for anything else."""
    if not re.fullmatch(r"\d+(\.\d+)?s", node.string()):
        raise node.error("expected a duration in seconds, such as 0.25s")
    return float(node.string()[:-1])


def _limit(node: Node) -> float | None:
    """Return a duration, of which 0 means none."""
    return seconds(node) or None


def _percent(node: Node) -> float:
    return number(node) / 100


def _settings(cluster: Node, ways: Sequence[Way], members: int) -> FailoverSettings:
    """Return the settings of a cluster and of the first routes that lead GET and POST requests to it.

    https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/cluster.proto
    """
    get = next((each for each in ways if each.accepts("GET")), None)
    post = next((each for each in ways if each.accepts("POST")), None)
    checks = _checks(cluster.at("health_checks"))
    lb = [cluster.at("round_robin_lb_config"), cluster.at("least_request_lb_config"), *_policies(cluster)]
    slow = next((found for each in lb if (found := each.at("slow_start_config", "slow_start_window"))), None)
    protocol = [*cluster.at("typed_extension_protocol_options").mapping().values(), cluster]
    idle = next(
        (found for each in protocol if (found := each.at("common_http_protocol_options", "idle_timeout"))), None
    )
    return FailoverSettings(
        connect_timeout_s=setting(cluster.at("connect_timeout"), _limit, 5.0),
        response_timeout_s=_response_timeout(get),
        retries=_retries(cluster, get, post),
        checks=checks,
        passive=_passive(cluster, members, checked=checks is not None),
        panic_below=setting(cluster.at("common_lb_config", "healthy_panic_threshold", "value"), _percent, 0.5),
        slow_start_s=Value(seconds(slow), slow.place) if slow else None,
        closes_sessions_when_down=setting(cluster.at("close_connections_on_host_health_failure"), truth, False),
        idle_timeout_s=Value(_limit(idle), idle.place) if idle else Value(3600.0),
        balancing=_balancing(cluster),
    )


def _policies(cluster: Node) -> Iterator[Node]:
    for each in cluster.at("load_balancing_policy", "policies").listing():
        yield each.at("typed_extension_config", "typed_config")


def _retry_policy(way: Way) -> Node:
    return way.action.at("retry_policy") or way.host.at("retry_policy")


def _total(way: Way | None) -> Value[float | None]:
    """Return the route's `timeout`: from the end of the request to the end of the response, retries included."""
    if way is None or not way.route:
        return Value(None)
    return setting(way.action.at("timeout"), _limit, 15.0)


def _response_timeout(way: Way | None) -> Value[float | None]:
    """Return the shortest of the limits of one attempt: for a try, for the whole request, and between two pieces.

    https://www.envoyproxy.io/docs/envoy/latest/faq/configuration/timeouts
    """
    if way is None or not way.route:
        return Value(None)
    policy = _retry_policy(way)
    idle = way.action.at("idle_timeout") or way.manager.at("stream_idle_timeout")
    limits: list[Value[float | None]] = [
        setting(policy.at("per_try_timeout"), _limit, None),
        setting(policy.at("per_try_idle_timeout"), _limit, None),
        _total(way),
        setting(idle, _limit, 300.0),
    ]
    return min(limits, key=lambda each: each.value or float("inf"))


def _retries(cluster: Node, get: Way | None, post: Way | None) -> Retries:
    """Return the retries of the routes; without `retry_on` there are none.

    Without the predicate `previous_hosts` the balancing policy chooses again. Round robin then takes the next host;
    other policies may take the same one, so for them `other_server_from` is None.
    https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/route/v3/route_components.proto
    """
    policy = _retry_policy(get) if get else absent()
    posts = _retry_policy(post) if post else policy
    on = _retried(policy)
    times = setting(policy.at("num_retries"), whole, 1)
    connects = get.manager.at("max_connect_attempts") if get and not get.route else absent()
    if connects:  # TCP proxy
        on, times = Value(frozenset({Failure.CONNECT}), connects.place), Value(whole(connects) - 1, connects.place)
    attempts = Value(1 + times.value, times.place) if on.value else Value(1, times.place)
    base = policy.at("retry_back_off", "base_interval")
    posted = on if connects else _retried(posts)
    return Retries(
        attempts,
        on,
        posted,
        _other_server(cluster, policy),
        _total(get),
        setting(base, seconds, 0.025),
        _most_concurrent(cluster),
    )


def _retried(policy: Node) -> Value[frozenset[Failure]]:
    node = policy.at("retry_on")
    words = [each.strip() for each in node.string().split(",")]
    found = frozenset[Failure]().union(*(_RETRIED.get(each, frozenset()) for each in words))
    codes = {whole(each) for each in policy.at("retriable_status_codes").listing()}
    if "retriable-status-codes" in words and 500 in codes:  # stands for all errors
        found |= {Failure.ERROR}
    return Value(found, node.place if node else None)


def _other_server(cluster: Node, policy: Node) -> Value[int | None]:
    for each in policy.at("retry_host_predicate").listing():
        if name(each).endswith("previous_hosts"):
            return Value(2, each.place)
    balancing = cluster.at("lb_policy")
    if cluster.at("load_balancing_policy"):
        return Value(None, cluster.at("load_balancing_policy").place)
    return setting(balancing, lambda node: 2 if node.string() == "ROUND_ROBIN" else None, 2)


def _most_concurrent(cluster: Node) -> Value[int]:
    """Return how many retries the circuit breaker allows at least; a budget may allow more while there is much load."""
    for each in cluster.at("circuit_breakers", "thresholds").listing():
        if each.at("priority").string("DEFAULT") == "DEFAULT":
            if budget := each.at("retry_budget"):
                least = budget.at("min_retry_concurrency")
                return Value(whole(least) if least else 3, budget.place)
            return setting(each.at("max_retries"), whole, 3)
    return Value(3)


def _checks(entries: Node) -> Checks | None:
    """Return the first active check.

    Envoy waits the interval between the end of a check and the next one, and measures the edge intervals for a result
    that disagrees with the host's state. They may differ by direction; the longer one is returned. A response with an
    unexpected status takes a host out at once, whatever `unhealthy_threshold` says.
    https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/health_check.proto
    """
    if not entries.listing():
        return None
    check = entries.listing()[0]
    for needed in ("timeout", "interval", "unhealthy_threshold", "healthy_threshold"):
        if not check.at(needed):
            raise check.error(f"the health check has no {needed}, which Envoy demands")
    interval = setting(check.at("interval"), seconds, 0.0)
    down = _duration(check.at("unhealthy_interval"), interval)
    edges = (
        _duration(check.at("unhealthy_edge_interval"), down),
        _duration(check.at("healthy_edge_interval"), interval),
    )
    http = check.at("http_health_check")
    kind = CheckKind.TCP if check.at("tcp_health_check") else CheckKind.HTTP
    path = http.at("path")
    return Checks(
        Value(kind, check.place),
        interval,
        max(edges, key=lambda each: each.value),
        down,
        setting(check.at("timeout"), seconds, 0.0),
        setting(check.at("unhealthy_threshold"), whole, 0),
        setting(check.at("healthy_threshold"), whole, 0),
        _jitter(check, interval.value),
        Value(path.string(), path.place) if path else None,
    )


def _duration(node: Node, default: Value[float]) -> Value[float]:
    return Value(seconds(node), node.place) if node else default


def _jitter(check: Node, interval_s: float) -> Value[float]:
    percent, longest = check.at("interval_jitter_percent"), check.at("interval_jitter")
    share = (_percent(percent) if percent else 0.0) + (seconds(longest) / interval_s if longest and interval_s else 0.0)
    return Value(share, (percent or longest).place) if percent or longest else Value(0.0)


def _passive(cluster: Node, members: int, *, checked: bool) -> Passive | None:
    """Return the outlier detection of failures in a row, or None if nothing of that kind is enforced.

    A time-out or a lost connection counts like a 5xx, unless errors of local origin are split from others. Each further
    ejection of a host lasts longer. A host that would exceed `max_ejection_percent` is not ejected, not even as the
    only one: with the default of 10 % and three hosts, Envoy 1.40 ejects none.
    https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/cluster/v3/outlier_detection.proto
    """
    node = cluster.at("outlier_detection")
    found = _counted(node) if node else None
    if found is None:
        return None
    failures, counted = found
    share = setting(node.at("max_ejection_percent"), _percent, 0.1)
    if members and truth(node.at("always_eject_one_host")):
        share = Value(max(share.value, 1 / members), node.at("always_eject_one_host").place)
    uneject = node.at("successful_active_health_check_uneject_host")
    return Passive(
        failures,
        counted,
        setting(node.at("base_ejection_time"), seconds, 30.0),
        returns_every_s=setting(node.at("interval"), seconds, 10.0),
        most_ejected=share,
        returns_by_checks=checked and (truth(uneject) if uneject else True),
    )


def _counted(node: Node) -> tuple[Value[int], Value[frozenset[Failure]]] | None:
    """Return the smallest count that is enforced, and what it counts."""
    split = node.at("split_external_local_origin_errors")
    local = _ANY - {Failure.ERROR}
    kinds = {
        "consecutive_5xx": (100, frozenset({Failure.ERROR}) if truth(split) else _ANY),
        "consecutive_gateway_failure": (0, frozenset[Failure]() if truth(split) else local),
        "consecutive_local_origin_failure": (100 if truth(split) else 0, local),
    }
    enforced = []
    for kind, (default, what) in kinds.items():
        if setting(node.at(f"enforcing_{kind}"), whole, default).value > 0 and what:
            enforced.append((setting(node.at(kind), whole, 5), Value(what, split.place if split else None)))
    return min(enforced, key=lambda each: each[0].value, default=None)


def _unknown(bootstrap: Bootstrap) -> Iterator[Unknown]:
    for layer in bootstrap.main.at("layered_runtime", "layers").listing():
        values = layer.at("static_layer")
        deciding = [each for each in values.mapping() if each.startswith(("upstream", "outlier", "health", "retry"))]
        yield from unknown(values, among=" ".join(deciding) or "-")
    for cluster in bootstrap.clusters:
        yield from unknown(cluster, among=_CLUSTER_UNKNOWN)
        for check in cluster.at("health_checks").listing():
            yield from unknown(check, _CHECKS_KNOWN)
        for check in cluster.at("health_checks").listing()[1:]:
            yield Unknown("a further health check", check.place)
        yield from unknown(cluster.at("outlier_detection"), _OUTLIERS_KNOWN)
    for way in bootstrap.ways:
        if way.route:
            yield from unknown(way.action, among=_ROUTE_UNKNOWN)
            yield from unknown(way.action.at("retry_policy"), _RETRY_KNOWN)
    for manager in {id(way.manager): way.manager for way in bootstrap.ways}.values():
        if manager.at("rds") and not bootstrap.routes(manager):
            yield Unknown("rds: routes from a server", manager.at("rds").place)
