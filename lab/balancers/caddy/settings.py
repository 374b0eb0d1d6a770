"""What the options of Caddy's `reverse_proxy` mean for failover.

Defaults: https://caddyserver.com/docs/caddyfile/directives/reverse_proxy, as of Caddy 2.11.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import (
    Balancing,
    CheckKind,
    Checks,
    FailoverSettings,
    Failure,
    Passive,
    Place,
    Policy,
    Retries,
    Value,
)

Options = Mapping[str, tuple[Sequence[str], Place]]
"""Values and place of each option, by its name in a Caddyfile."""
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"[+]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|[smhd])")
_BROKEN: Final = frozenset({Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT})
_STAY: Final = ("first", "ip_hash", "client_ip_hash", "uri_hash", "query", "header", "cookie")
"""Policies that choose the same server again while it counts as healthy."""
KNOWN: Final = {
    *("to", "dynamic", "lb_policy", "lb_retries", "lb_try_duration", "lb_try_interval", "lb_retry_match"),
    *("health_uri", "health_path", "health_port", "health_upstream", "health_interval", "health_timeout"),
    *("health_passes", "health_fails", "health_method", "health_status", "health_headers", "health_body"),
    *("health_follow_redirects", "health_request_body", "fail_duration", "max_fails", "unhealthy_status"),
    *("unhealthy_latency", "transport", "header_up", "header_down", "trusted_proxies", "flush_interval", "rewrite"),
    *("method", "request_buffers", "response_buffers", "buffer_requests", "buffer_responses", "verbose_logs", "import"),
    *("stream_timeout", "stream_close_delay"),
}


def settings(options: Options) -> FailoverSettings:
    """Return the settings that the options of one `reverse_proxy` and its HTTP transport make.

    A connection must be established in 3 s; waiting for a response has no limit. Idle connections are kept for 2 min.
    """
    times = [_time(options, name, None) for name in ("response_header_timeout", "read_timeout")]
    limits = [each for each in times if each.value]
    off = _words(options, "keepalive", "2m")[0] == "off"
    return FailoverSettings(
        connect_timeout_s=_time(options, "dial_timeout", 3.0),
        response_timeout_s=min(limits, key=lambda each: each.value or 0.0) if limits else Value(None),
        retries=_retries(options),
        checks=_checks(options),
        passive=_passive(options),
        closes_sessions_when_down=Value(False),
        idle_timeout_s=None if off else _time(options, "keepalive", 120.0),
        balancing=_balancing(options),
    )


def _balancing(options: Options) -> Value[Balancing]:
    """Return the policy; the default is `random`. https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"""
    words = _words(options, "lb_policy", "random")
    draws = int(words[1]) if len(words) > 1 and words[1].isdigit() else 2
    kinds = {
        "random": Balancing(Policy.RANDOM),
        "random_choose": Balancing(Policy.FEWEST, draws=draws),
        "least_conn": Balancing(Policy.FEWEST, ties_by_chance=True),
        "round_robin": Balancing(),
        "weighted_round_robin": Balancing(),
        "first": Balancing(Policy.FIRST),
    }
    found = kinds.get(words[0], Balancing(Policy.KEY if words[0] in _STAY else Policy.OTHER))
    return Value(found, _place(options, "lb_policy"))


def pinned(options: Options) -> Value[str] | None:
    """Return the policy if all requests of the lab have one key.

    A request without the cookie, header or query parameter is balanced at random.
    """
    words = _words(options, "lb_policy", "random")
    one_key = words[0] in {"first", "ip_hash", "client_ip_hash", "uri_hash"} or (
        words[0] == "header" and words[-1].lower() == "host"
    )
    return Value(f"lb_policy {' '.join(words)}", _place(options, "lb_policy")) if one_key else None


def _retries(options: Options) -> Retries:
    """Return when Caddy tries again: never, unless `lb_retries` or `lb_try_duration` is set.

    It then waits for `lb_try_interval` and lets the policy choose again, perhaps the same server. The duration is
    compared before that wait, so the last attempt may begin later than the duration by one wait. A request that was
    sent is repeated only if it is a GET, or if `lb_retry_match` matches. Statuses are never a reason. In addition, Go's
    HTTP client repeats an idempotent request if a kept connection closes without a response."""
    limit, total = _number(options, "lb_retries", 0), _time(options, "lb_try_duration", None)
    pause = _time(options, "lb_try_interval", 0.25 if total.value else 0.0)
    if not limit.value and not total.value:
        none: Value[frozenset[Failure]] = Value(frozenset())
        return Retries(Value(1), none, none, Value(None))
    by_time = 1 + math.ceil(total.value / (pause.value or 0.25)) if total.value else math.inf
    by_number = 1 + limit.value if limit.value else math.inf
    attempts = Value(int(min(by_time, by_number)), limit.place if by_number <= by_time else total.place)
    methods, place = _words(options, "lb_retry_methods", "GET"), _place(options, "lb_retry_match")
    every = place is not None and not methods
    safe, unsafe = every or "GET" in methods, every or bool({"POST", "PATCH"} & set(methods))
    policy = _words(options, "lb_policy", "random")[0]
    out = _passive(options)
    stays = policy in _STAY and (out is None or out.failures.value > 1)
    return Retries(
        attempts=attempts,
        on=Value(_BROKEN if safe else frozenset({Failure.CONNECT}), place),
        non_idempotent_on=Value(_BROKEN if unsafe else frozenset({Failure.CONNECT}), place),
        other_server_from=Value(None if stays else 2, _place(options, "lb_policy")),
        total_s=Value(total.value + (pause.value or 0.0) if total.value else None, total.place),
        pause_s=Value(pause.value or 0.0, pause.place),
    )


def _checks(options: Options) -> Checks:
    """Return the active checks: none without `health_uri` or `health_port`.

    Else every 30 s with a time-out of 5 s; one check decides. A passed check does not reset the count of failures.
    """
    on = next((name for name in ("health_uri", "health_path", "health_port") if name in options), None)
    interval = _sure(_time(options, "health_interval", 30.0))
    uri = next((name for name in ("health_uri", "health_path") if name in options), None)
    return Checks(
        kind=Value(CheckKind.HTTP if on else CheckKind.NONE, _place(options, on or "")),
        interval_s=interval,
        doubt_interval_s=interval,
        down_interval_s=interval,
        timeout_s=_sure(_time(options, "health_timeout", 5.0)),
        fall=_at_least_one(_number(options, "health_fails", 1)),
        rise=_at_least_one(_number(options, "health_passes", 1)),
        path=Value(_words(options, uri, "/")[0], _place(options, uri)) if uri else None,
    )


def _passive(options: Options) -> Passive | None:
    """Return the passive checks: none without `fail_duration`, which is how long a failure is remembered.

    A server is out while `max_fails` failures (1) are remembered.
    """
    remembered = _time(options, "fail_duration", None)
    if not remembered.value:
        return None
    statuses = _words(options, "unhealthy_status", "")
    errors = any(each.startswith("5") for each in statuses)
    duration = _sure(remembered)
    return Passive(
        failures=_at_least_one(_number(options, "max_fails", 1)),
        counted=Value(_BROKEN | ({Failure.ERROR} if errors else set()), _place(options, "unhealthy_status")),
        ejection_s=duration,
        window_s=duration,
    )


def _words(options: Options, name: str, default: str) -> Sequence[str]:
    return options[name][0] if name in options else (default,)


def _place(options: Options, name: str) -> Place | None:
    return options[name][1] if name in options else None


def _time(options: Options, name: str, default: float | None) -> Value[float | None]:
    """Return a duration of Go, such as `1.5s`, `250ms` or `1m30s`, or in days."""
    if name not in options:
        return Value(default)
    words, place = options[name]
    text = words[0] if words else ""
    if text != "0" and not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        raise BadArgumentsError(f"{place}: {name} {text}: not a duration", "write it as `2s`, `250ms` or `1m30s`")
    parts = re.findall(r"([\d.]+)(ns|us|µs|ms|[smhd])", text)
    return Value(sum(float(number) * _UNITS[unit] for number, unit in parts), place)


def _number(options: Options, name: str, default: int) -> Value[int]:
    if name not in options:
        return Value(default)
    words, place = options[name]
    if not words or not words[0].isdigit():
        raise BadArgumentsError(f"{place}: {name} {' '.join(words)}: not a number", "write a whole number")
    return Value(int(words[0]), place)


def _sure(value: Value[float | None]) -> Value[float]:
    return Value(value.value or 0.0, value.place)


def _at_least_one(value: Value[int]) -> Value[int]:
    return Value(max(1, value.value), value.place)
