"""Lines to suggest, in each program's syntax, with the address of the program's documentation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Knob(StrEnum):
    """What a suggestion changes."""

    RESPONSE_TIMEOUT = "response time-out"
    RETRY = "retries of failed connections"
    OTHER_SERVER = "retries on another server"
    POSTS = "no repeated POSTs"
    ATTEMPTS = "number of attempts"
    PANIC = "panic threshold"
    FALL = "failed checks in a row"
    CHECKS = "health checks"
    IDLE = "idle connections"
    EJECTED = "limit on ejected servers"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line, and where its program documents it."""

    line: str
    docs: str


_HAPROXY: Final = "https://docs.haproxy.org/2.6/configuration.html"
_PROXY: Final = "https://nginx.org/en/docs/http/ngx_http_proxy_module.html"
_UPSTREAM: Final = "https://nginx.org/en/docs/http/ngx_http_upstream_module.html"
_ENVOY: Final = "https://www.envoyproxy.io/docs/envoy/latest/api-v3/config"
_ROUTE: Final = f"{_ENVOY}/route/v3/route_components.proto"
_CLUSTER: Final = f"{_ENVOY}/cluster/v3/cluster.proto"
_TRAEFIK: Final = "https://doc.traefik.io/traefik/reference/routing-configuration/http"
_CADDY: Final = "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"

_LINES: Final = {
    "haproxy": {
        Knob.RESPONSE_TIMEOUT: ("timeout server {seconds:g}s", f"{_HAPROXY}#4.2-timeout%20server"),
        Knob.RETRY: ("retries 1", f"{_HAPROXY}#4.2-retries"),
        Knob.OTHER_SERVER: ("option redispatch 1", f"{_HAPROXY}#4.2-option%20redispatch"),
        Knob.POSTS: (
            "http-request disable-l7-retry unless { method GET HEAD OPTIONS PUT DELETE TRACE }",
            f"{_HAPROXY}#4.2-http-request%20disable-l7-retry",
        ),
        Knob.ATTEMPTS: ("retries 1", f"{_HAPROXY}#4.2-retries"),
        Knob.FALL: ("default-server fall 2", f"{_HAPROXY}#5.2-fall"),
        Knob.CHECKS: ("option httpchk GET /health", f"{_HAPROXY}#4.2-option%20httpchk"),
        Knob.IDLE: ("default-server pool-purge-delay {seconds:g}s", f"{_HAPROXY}#5.2-pool-purge-delay"),
    },
    "nginx": {
        Knob.RESPONSE_TIMEOUT: ("proxy_read_timeout {seconds:g}s;", f"{_PROXY}#proxy_read_timeout"),
        Knob.RETRY: ("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.OTHER_SERVER: ("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.POSTS: ("proxy_next_upstream error timeout;", f"{_PROXY}#proxy_next_upstream"),
        Knob.ATTEMPTS: ("proxy_next_upstream_tries 2;", f"{_PROXY}#proxy_next_upstream_tries"),
        Knob.CHECKS: ("server ADDRESS max_fails=1 fail_timeout=10s;", f"{_UPSTREAM}#server"),
        Knob.IDLE: ("keepalive_timeout {seconds:g}s;", f"{_UPSTREAM}#keepalive_timeout"),
    },
    "envoy": {
        Knob.RESPONSE_TIMEOUT: ("per_try_timeout: {seconds:g}s", _ROUTE),
        Knob.RETRY: ("retry_policy: {retry_on: connect-failure, num_retries: 1}", _ROUTE),
        Knob.OTHER_SERVER: (
            "retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts, typed_config: "
            '{"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]',
            _ROUTE,
        ),
        Knob.POSTS: ("retry_on: connect-failure,refused-stream", _ROUTE),
        Knob.ATTEMPTS: ("num_retries: 1", _ROUTE),
        Knob.PANIC: ("common_lb_config: {healthy_panic_threshold: {value: 0}}", _CLUSTER),
        Knob.FALL: ("unhealthy_threshold: 2", f"{_ENVOY}/core/v3/health_check.proto"),
        Knob.CHECKS: (
            "health_checks: [{interval: 1s, timeout: 0.4s, unhealthy_threshold: 2, healthy_threshold: 2, "
            "http_health_check: {path: /health}}]",
            f"{_ENVOY}/core/v3/health_check.proto",
        ),
        Knob.IDLE: ("common_http_protocol_options: {idle_timeout: {seconds:g}s}", _CLUSTER),
        Knob.EJECTED: ("max_ejection_percent: 50", f"{_ENVOY}/cluster/v3/outlier_detection.proto"),
    },
    "traefik": {
        Knob.RESPONSE_TIMEOUT: (
            "forwardingTimeouts: {responseHeaderTimeout: {seconds:g}s}",
            f"{_TRAEFIK}/load-balancing/serverstransport/",
        ),
        Knob.RETRY: ("retry: {attempts: 2}", f"{_TRAEFIK}/middlewares/retry/"),
        Knob.OTHER_SERVER: ("retry: {attempts: 2}", f"{_TRAEFIK}/middlewares/retry/"),
        Knob.POSTS: ("retry: {attempts: 2}  # without `status`", f"{_TRAEFIK}/middlewares/retry/"),
        Knob.ATTEMPTS: ("retry: {attempts: 2}", f"{_TRAEFIK}/middlewares/retry/"),
        Knob.CHECKS: (
            "healthCheck: {path: /health, interval: 1s, timeout: 400ms}",
            f"{_TRAEFIK}/load-balancing/service/",
        ),
        Knob.IDLE: (
            "forwardingTimeouts: {idleConnTimeout: {seconds:g}s}",
            f"{_TRAEFIK}/load-balancing/serverstransport/",
        ),
    },
    "caddy": {
        Knob.RESPONSE_TIMEOUT: (
            "transport http { response_header_timeout {seconds:g}s }",
            f"{_CADDY}#the-http-transport",
        ),
        Knob.RETRY: ("lb_retries 1", f"{_CADDY}#load-balancing"),
        Knob.OTHER_SERVER: ("lb_retries 1", f"{_CADDY}#load-balancing"),
        Knob.POSTS: ("lb_retry_match { method GET HEAD OPTIONS PUT DELETE TRACE }", f"{_CADDY}#load-balancing"),
        Knob.ATTEMPTS: ("lb_retries 1", f"{_CADDY}#load-balancing"),
        Knob.FALL: ("health_fails 2", f"{_CADDY}#active-health-checks"),
        Knob.CHECKS: ("health_uri /health", f"{_CADDY}#active-health-checks"),
        Knob.IDLE: ("transport http { keepalive {seconds:g}s }", f"{_CADDY}#the-http-transport"),
    },
}
_ROOTS: Final = {
    "haproxy": _HAPROXY,
    "nginx": _UPSTREAM,
    "envoy": _CLUSTER,
    "traefik": f"{_TRAEFIK}/load-balancing/service/",
    "caddy": _CADDY,
}


def suggestion(program: str, knob: Knob, seconds: float = 0.0) -> Suggestion:
    """Return the line that changes the knob; an empty line if the program has no such setting."""
    line, docs = _LINES.get(program, {}).get(knob, ("", _ROOTS.get(program, "docs/configuration.md")))
    return Suggestion(line.replace("{seconds:g}", f"{seconds:g}"), docs)
