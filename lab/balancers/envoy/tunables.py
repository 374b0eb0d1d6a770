"""The settings of Envoy that `lab tune` may change, and how they are written into a user's files.

Names of what is written begin with the message: `cluster`, `route` (the action of every route to the cluster), `retry`
and `posts` (the retry policies of the routes for GET and for POST) and `manager` (a TCP proxy).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..assignment import assigned
from ..configuration import CheckKind, Configuration, Edit, FailoverSettings, Pool
from ..documents import Node
from ..tunables import (
    ANY,
    CHECK_TIMEOUTS_S,
    CONNECT_ONLY,
    CONNECTS_S,
    COUNTS,
    COUNTS_ALL_ERRORS,
    INTERVALS_S,
    NEW_CHECKS,
    NO_SHORTER_CHECK,
    NO_SHORTER_CONNECT,
    SILENCE,
    Bounds,
    Candidate,
    Tunable,
    Writes,
    connect_timeout,
    counts,
    decimal_seconds,
    ejections,
    has_checks,
    new_checks,
    new_passive,
    of_checks,
    of_passive,
    of_retries,
    response_timeout,
    responses,
    retried,
    slowest_response,
    times,
)
from .bootstrap import Bootstrap, Way, name
from .reader import ways_to

_CHECK: Final = "cluster.health_checks.0"
_OUTLIERS: Final = "cluster.outlier_detection"
_TCP_CHECK: Final = f"{_CHECK}.tcp_health_check"
_CONNECTS: Final = "connect-failure,refused-stream"
_BROADER: Final = (("gateway-error,connect-failure", SILENCE), ("5xx,connect-failure", ANY))
_PREVIOUS_HOSTS: Final = [
    {
        "name": "envoy.retry_host_predicates.previous_hosts",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
        },
    }
]
_TOGETHER: Final = "without jitter, balancers that started together check at the same moments"
_IDLE: Final = "no_traffic_interval is the interval before the first request; without it, 60 s would pass"


class _Parts:
    """The messages that decide the failover of a pool."""

    def __init__(self, configuration: Configuration, pool: Pool) -> None:
        self.bootstrap = Bootstrap(dict(configuration.texts))
        self.cluster = next(each for each in self.bootstrap.clusters if name(each) == pool.name)
        ways = [way for each in self.bootstrap.listeners for way in ways_to(self.bootstrap, each)]
        self.ways = [way for way in ways if pool.name in way.clusters]
        self.get = next((each for each in self.ways if each.accepts("GET")), None)
        self.post = next((each for each in self.ways if each.accepts("POST")), None)

    def nodes(self, message: str) -> list[tuple[Node, tuple[str, ...]]]:
        """Return the nodes that the first part of a written name means, each with the keys below it."""
        if message == "cluster":
            return [(self.cluster, ())]
        if message == "route":
            return [(way.action, ()) for way in self.ways if way.route]
        if message == "manager":
            return [(way.manager, ()) for way in self.ways[:1]]
        way = self.get if message == "retry" else self.post
        return [(_policy_holder(way), ("retry_policy",))] if way is not None else []


def _policy_holder(way: Way) -> Node:
    """Return the message with the retry policy: the route, unless only the virtual host has one."""
    return way.host if way.host.at("retry_policy") and not way.action.at("retry_policy") else way.action


def tunables(configuration: Configuration, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    """Yield the settings of this pool that can be changed."""
    parts = _Parts(configuration, pool)
    http = parts.get is not None and bool(parts.get.route)
    yield from _checks(parts, pool.settings, bounds, http=http)
    yield from _outliers(parts, pool, bounds)
    yield times(
        "connect_timeout",
        "C",
        connect_timeout,
        CONNECTS_S,
        decimal_seconds,
        NO_SHORTER_CONNECT,
        "cluster.connect_timeout",
    )
    if http and parts.get is not None:
        ladder = responses(bounds)
        least = slowest_response(bounds)
        yield times("route.timeout", "L", of_retries("total_s"), ladder, decimal_seconds, least, "route.timeout")
        yield from _retries(parts, parts.get, pool.settings, ladder, least)
    elif parts.ways:
        attempts = of_retries("attempts")
        yield counts("max_connect_attempts", "A", attempts, (2, 3), "manager.max_connect_attempts")


def _checks(parts: _Parts, settings: FailoverSettings, bounds: Bounds, *, http: bool) -> Iterator[Tunable]:
    if has_checks(settings):

        def check_times(key: str, symbol: str, field: str, ladder: Sequence[float], least: str = "") -> Tunable:
            return times(
                f"health_checks.{key}", symbol, of_checks(field), ladder, decimal_seconds, least, f"{_CHECK}.{key}"
            )

        yield check_times("interval", "I", "interval_s", INTERVALS_S)
        yield check_times("unhealthy_interval", "d", "down_interval_s", INTERVALS_S)
        yield check_times("timeout", "T", "timeout_s", CHECK_TIMEOUTS_S, NO_SHORTER_CHECK)
        yield counts("health_checks.unhealthy_threshold", "F", of_checks("fall"), key=f"{_CHECK}.unhealthy_threshold")
        yield counts("health_checks.healthy_threshold", "R", of_checks("rise"), key=f"{_CHECK}.healthy_threshold")
        edges = ("unhealthy_edge_interval", "healthy_edge_interval")
        candidates = tuple(
            Candidate(seconds, {f"{_CHECK}.{edge}": decimal_seconds(seconds) for edge in edges})
            for seconds in INTERVALS_S
        )
        yield Tunable("health_checks edge intervals", "f", of_checks("doubt_interval_s"), candidates, unit="s")
        if settings.checks and settings.checks.jitter.value:
            jitters = {"interval_jitter": "0s", "interval_jitter_percent": 0}
            check = parts.cluster.at("health_checks").listing()[0]
            none = {f"{_CHECK}.{key}": value for key, value in jitters.items() if check.at(key)}
            yield Tunable(
                "health_checks.interval_jitter", "j", of_checks("jitter"), (Candidate(0.0, none),), remark=_TOGETHER
            )
        if bounds.check_path and http and settings.checks and settings.checks.kind.value is CheckKind.TCP:
            request = Candidate(CheckKind.HTTP, {_TCP_CHECK: bounds.check_path})
            yield Tunable("health_checks.http_health_check", "", of_checks("kind"), (request,))
    elif bounds.check_path and http:
        yield Tunable("health_checks", "I", new_checks, tuple(_new_checks(bounds.check_path)), remark=_IDLE)


def _new_checks(path: str) -> Iterator[Candidate]:
    for interval_s, timeout_s, fall in NEW_CHECKS:
        check = {
            "interval": decimal_seconds(interval_s),
            "timeout": decimal_seconds(timeout_s),
            "unhealthy_threshold": fall,
            "healthy_threshold": 2,
            "no_traffic_interval": decimal_seconds(interval_s),
            "http_health_check": {"path": path},
        }
        yield Candidate((interval_s, timeout_s, fall), {"cluster.health_checks": [check]})


def _outliers(parts: _Parts, pool: Pool, bounds: Bounds) -> Iterator[Tunable]:
    least = math.ceil(100 / max(1, len(pool.servers)))
    if not parts.cluster.at("outlier_detection"):
        candidates = tuple(
            Candidate(
                failures,
                {
                    f"{_OUTLIERS}.consecutive_5xx": failures,
                    f"{_OUTLIERS}.interval": "1s",
                    f"{_OUTLIERS}.base_ejection_time": "5s",
                    f"{_OUTLIERS}.max_ejection_percent": max(least, 50),
                },
            )
            for failures in (3, 5, 10)
        )
        yield Tunable("outlier_detection", "n", new_passive, candidates, remark=COUNTS_ALL_ERRORS)
        return
    failures = pool.settings.passive.failures.value if pool.settings.passive is not None else 0
    other = bool(parts.cluster.at("outlier_detection", "consecutive_gateway_failure"))
    ladder = [each for each in COUNTS if each < failures or not other]  # the smaller of two counts decides
    name = "outlier_detection.consecutive_5xx"
    yield counts(name, "n", of_passive("failures"), ladder, f"cluster.{name}")
    ejection = f"{_OUTLIERS}.base_ejection_time"
    yield times(
        "outlier_detection.base_ejection_time",
        "X",
        of_passive("ejection_s"),
        ejections(bounds),
        decimal_seconds,
        key=ejection,
    )
    yield times(
        "outlier_detection.interval",
        "E",
        of_passive("returns_every_s"),
        (0.5, 1.0, 2.0, 5.0, 10.0),
        decimal_seconds,
        key=f"{_OUTLIERS}.interval",
    )
    share = tuple(
        Candidate(percent / 100, {f"{_OUTLIERS}.max_ejection_percent": percent}) for percent in (least, max(least, 50))
    )
    yield Tunable("outlier_detection.max_ejection_percent", "", of_passive("most_ejected"), share)


def _retries(
    parts: _Parts, get: Way, settings: FailoverSettings, ladder: Sequence[float], least: str
) -> Iterator[Tunable]:
    """A route whose policy also applies to POST may repeat only what was not sent."""
    both = get.accepts("POST")
    posts = settings.retries.non_idempotent_on.value
    wanted = [(_CONNECTS, (CONNECT_ONLY, CONNECT_ONLY))] if both else [(words, (on, posts)) for words, on in _BROADER]
    yield Tunable(
        "retry_on", "", retried, tuple(Candidate(value, {"retry.retry_on": words}) for words, value in wanted)
    )
    if not both and parts.post is not None:

        def read(found: FailoverSettings) -> Any:
            return found.retries.non_idempotent_on.value

        yield Tunable("retry_on (POST)", "", read, (Candidate(CONNECT_ONLY, {"posts.retry_on": _CONNECTS}),))
    if not _policy_holder(get).at("retry_policy", "retry_on"):
        return
    yield counts("num_retries", "A", lambda found: found.retries.attempts.value - 1, (1, 2, 3), "retry.num_retries")
    total_s = settings.retries.total_s.value
    shorter = [each for each in ladder if total_s is None or each < total_s]
    yield times("per_try_timeout", "S", response_timeout, shorter, decimal_seconds, least, "retry.per_try_timeout")
    elsewhere = Candidate(2, {"retry.retry_host_predicate": _PREVIOUS_HOSTS})
    yield Tunable("retry_host_predicate", "k", of_retries("other_server_from"), (elsewhere,))


def edits(configuration: Configuration, pool: Pool, writes: Writes) -> list[Edit]:
    """Return the changes that write these settings."""
    parts = _Parts(configuration, pool)
    found: list[Edit] = []
    values: list[tuple[Node, tuple[str, ...], Any]] = []
    for key, value in writes.items():
        message, *below = key.split(".")
        if key == _TCP_CHECK:
            check = parts.cluster.at("health_checks").listing()[0].at("tcp_health_check")
            quoted = check.source[check.key_start] == '"'
            text = f"http_health_check: {{path: {value}}}"
            found.append(check.rename(f'"http_health_check": {{"path": "{value}"}}' if quoted else text, "HTTP check"))
            continue
        values += [(node, (*keys, *below), value) for node, keys in parts.nodes(message)]
    if any(key.startswith(_CHECK) for key in writes):
        values += _before_traffic(parts.cluster, writes)
    return [*found, *assigned(_distinct(values))]


def _before_traffic(cluster: Node, writes: Writes) -> Iterator[tuple[Node, tuple[str, ...], Any]]:
    """Yield the interval of checks before the first request. Without it, the second check comes 60 s after the start.

    https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/health_check.proto
    """
    check = cluster.at("health_checks").listing()[0]
    if not check.at("no_traffic_interval"):
        interval = writes.get(f"{_CHECK}.interval", check.at("interval").string())
        yield cluster, ("health_checks", "0", "no_traffic_interval"), interval


def _distinct(values: Sequence[tuple[Node, tuple[str, ...], Any]]) -> Iterator[tuple[Node, tuple[str, ...], Any]]:
    """Yield each assignment once: several ways may lead to the cluster through one message."""
    seen = set()
    for node, keys, value in values:
        if (id(node), keys) not in seen:
            seen.add((id(node), keys))
            yield node, keys, value
