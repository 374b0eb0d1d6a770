"""Failover settings of each program as the lab renders them (lab/balancers/*/*.j2), for tests without a reader."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from lab.balancers.configuration import CheckKind, Checks, FailoverSettings, Failure, Passive, Place, Retries, Value

T = TypeVar("T")
CONNECT, CLOSED, TIMEOUT, ERROR = Failure.CONNECT, Failure.CLOSED, Failure.TIMEOUT, Failure.ERROR


def at(value: T, line: int = 1) -> Value[T]:
    """Return a value that `prod.cfg` sets on that line."""
    return Value(value, Place(Path("prod.cfg"), line, 0, 0))


def checks(
    interval_s: float,
    timeout_s: float,
    fall: int,
    rise: int,
    *,
    doubt_s: float | None = None,
    down_s: float | None = None,
    jitter: float = 0.0,
    kind: CheckKind = CheckKind.HTTP,
    connect_s: float | None = None,
) -> Checks:
    return Checks(
        at(kind, 10),
        at(interval_s, 11),
        at(interval_s if doubt_s is None else doubt_s, 12),
        at(interval_s if down_s is None else down_s, 13),
        at(timeout_s, 14),
        at(fall, 15),
        at(rise, 16),
        at(jitter, 17),
        connect_timeout_s=None if connect_s is None else at(connect_s, 18),
    )


def retries(
    attempts: int,
    on: set[Failure],
    posts: set[Failure],
    elsewhere: int | None = 2,
    total_s: float | None = None,
    pause_s: float = 0.0,
) -> Retries:
    return Retries(
        at(attempts, 20),
        at(frozenset(on), 21),
        at(frozenset(posts), 21),
        at(elsewhere, 22),
        at(total_s, 23),
        at(pause_s, 24),
    )


def passive(failures: int, counted: set[Failure], ejection_s: float, **more: object) -> Passive:
    return Passive(at(failures, 30), at(frozenset(counted), 31), at(ejection_s, 32), **more)  # type: ignore[arg-type]


ALL = {CONNECT, CLOSED, TIMEOUT, ERROR}
SENT_NOT = {CONNECT}
HAPROXY_MATCHED = FailoverSettings(
    at(0.25, 2),
    at(1.0, 3),
    retries(3, {CONNECT, CLOSED, TIMEOUT}, SENT_NOT),
    checks(0.5, 0.65, 2, 2, doubt_s=0.1, connect_s=0.25),
    passive(5, ALL, 0.0, returns_by_checks=True),
)
HAPROXY_DEFAULT = FailoverSettings(
    at(5.0, 2),
    at(50.0, 3),
    Retries(Value(4), Value(frozenset(SENT_NOT)), Value(frozenset(SENT_NOT)), Value(None), pause_s=Value(1.0)),
    Checks(at(CheckKind.HTTP, 10), Value(2.0), Value(2.0), Value(2.0), Value(2.0), Value(3), Value(2)),
)
NGINX_MATCHED = FailoverSettings(
    at(0.25, 2),
    at(1.0, 3),
    retries(3, {CONNECT, CLOSED, TIMEOUT}, SENT_NOT, total_s=5.0),
    passive=passive(2, {CONNECT, CLOSED, TIMEOUT}, 1.0, window_s=at(1.0, 32)),
)
ENVOY_MATCHED = FailoverSettings(
    at(0.25, 2),
    at(1.0, 3),
    retries(3, {CONNECT, CLOSED, TIMEOUT}, SENT_NOT, total_s=5.0),
    checks(0.5, 0.4, 2, 2, doubt_s=0.1, jitter=0.1),
    passive(5, ALL, 3.0, returns_every_s=at(0.5, 33), most_ejected=at(0.5, 34)),
    panic_below=Value(0.5),
)
TRAEFIK_MATCHED = FailoverSettings(
    at(0.25, 2),
    at(1.0, 3),
    retries(3, {CONNECT, CLOSED, TIMEOUT}, SENT_NOT, total_s=5.0),
    checks(0.5, 0.4, 1, 1, down_s=0.1),
    passive(5, ALL, 3.0, window_s=at(3.0, 33), returns_by_checks=True),
)
CADDY_MATCHED = FailoverSettings(
    at(0.25, 2),
    at(1.0, 3),
    retries(3, {CONNECT, CLOSED, TIMEOUT}, SENT_NOT, total_s=5.0, pause_s=0.01),
    checks(0.5, 0.4, 2, 2),
    passive(5, ALL, 3.0, window_s=at(3.0, 33)),
)
