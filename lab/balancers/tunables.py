"""Settings that `lab tune` may change: what each program calls them, and which values are candidates.

A program's `tunables.py` declares them, and writes chosen values into the user's files. The value that counts is always
the one that the program's reader finds in the changed file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .configuration import CheckKind, Checks, FailoverSettings, Failure, Passive

LEAST_CHECK_TIMEOUT_S: Final = 0.1
LEAST_CONNECT_S: Final = 0.05
"""Shorter time-outs fail on a busy network although the server is well: one lost packet is sent again after 200 ms."""
NO_SHORTER_CHECK: Final = f"no check time-out below {LEAST_CHECK_TIMEOUT_S * 1000:g} ms"
NO_SHORTER_CONNECT: Final = f"no connect time-out below {LEAST_CONNECT_S * 1000:g} ms"
COUNTS_ALL_ERRORS: Final = "errors that the application answers by itself, such as status 500, count too"
"""Remark on detection by live traffic."""
INTERVALS_S: Final = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
CHECK_TIMEOUTS_S: Final = (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
CONNECTS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
RESPONSES_S: Final = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
EJECTIONS_S: Final = (1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0)
COUNTS: Final = (1, 2, 3, 5)
NEW_CHECKS: Final = ((0.1, 0.1, 1), (0.1, 0.1, 2), (0.25, 0.2, 2), (0.5, 0.4, 2), (1.0, 0.5, 2), (2.0, 1.0, 3))
"""Interval (s), time-out (s) and failed checks in a row of health checks where there are none yet."""
CONNECT_ONLY: Final = frozenset({Failure.CONNECT})
BROKEN: Final = frozenset({Failure.CONNECT, Failure.CLOSED})
SILENCE: Final = BROKEN | {Failure.TIMEOUT}
ANY: Final = frozenset(Failure)

Writes = Mapping[str, Any]
"""Name of a setting, as the program's `tunables.py` knows it → value to write."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the user says about the application behind the balancer."""

    slowest_response_s: float
    """No time-out of a response is set below this."""
    longest_ejection_s: float = 10.0
    """Live traffic takes no server out for longer than this."""
    check_path: str = ""
    """Path of a health check where there is none yet; empty: not known, so no checks are added."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that a setting may get."""

    value: Any
    """What `Tunable.read` must return once it is written."""
    writes: Writes


@dataclass(frozen=True, slots=True)
class Tunable:
    """A setting with its candidates."""

    name: str
    """As the program's documentation calls it."""
    symbol: str
    """Symbol of the setting in the adviser's formulae; empty if it is in none."""
    read: Callable[[FailoverSettings], Any]
    """Return the setting's value; None if the configuration has no such setting."""
    candidates: tuple[Candidate, ...]
    """From the smallest value to the largest."""
    least: str = ""
    """Why there is no smaller candidate."""
    remark: str = ""
    """What the user should know before the change is made."""
    unit: str = ""
    """`s` for a time; empty for anything else."""


def milliseconds(seconds: float) -> str:
    """Return `2s` or `250ms`, which HAProxy, nginx, Traefik and Caddy read."""
    return f"{seconds:g}s" if float(seconds).is_integer() else f"{round(seconds * 1000):d}ms"


def decimal_seconds(seconds: float) -> str:
    """Return `0.25s`, the form of Envoy."""
    return f"{seconds:g}s"


def times(
    name: str,
    symbol: str,
    read: Callable[[FailoverSettings], Any],
    ladder: Iterable[float],
    write: Callable[[float], Any] = milliseconds,
    least: str = "",
    key: str = "",
    remark: str = "",
) -> Tunable:
    """Return a setting that is a time in seconds. `key`: name under which it is written, if it differs."""
    candidates = tuple(Candidate(seconds, {key or name: write(seconds)}) for seconds in ladder)
    return Tunable(name, symbol, read, candidates, least, remark, "s")


def counts(
    name: str, symbol: str, read: Callable[[FailoverSettings], Any], ladder: Iterable[int] = COUNTS, key: str = ""
) -> Tunable:
    """Return a setting that is a number."""
    return Tunable(name, symbol, read, tuple(Candidate(number, {key or name: str(number)}) for number in ladder))


def responses(bounds: Bounds) -> tuple[float, ...]:
    """Return the candidates of a time-out of a response."""
    least = bounds.slowest_response_s
    return (least, *(each for each in RESPONSES_S if each > least))


def ejections(bounds: Bounds) -> tuple[float, ...]:
    """Return the candidates of the time for which live traffic takes a server out."""
    return tuple(each for each in EJECTIONS_S if each <= bounds.longest_ejection_s)


def slowest_response(bounds: Bounds) -> str:
    """Return why a time-out of a response is not shorter."""
    return f"--slowest-response {milliseconds(bounds.slowest_response_s)}"


def of_checks(field: str) -> Callable[[FailoverSettings], Any]:
    """Return the function that reads this field of the active checks."""

    def read(settings: FailoverSettings) -> Any:
        checks = settings.checks
        return None if not has_checks(settings) or checks is None else getattr(checks, field).value

    return read


def of_passive(field: str) -> Callable[[FailoverSettings], Any]:
    """Return the function that reads this field of the detection by live traffic."""

    def read(settings: FailoverSettings) -> Any:
        return None if settings.passive is None else getattr(settings.passive, field).value

    return read


def of_retries(field: str) -> Callable[[FailoverSettings], Any]:
    """Return the function that reads this field of the retries."""
    return lambda settings: getattr(settings.retries, field).value


def connect_timeout(settings: FailoverSettings) -> Any:
    """Return the time-out of connecting, seconds."""
    return settings.connect_timeout_s.value


def response_timeout(settings: FailoverSettings) -> Any:
    """Return the time-out of a response, seconds."""
    return settings.response_timeout_s.value


def retried(settings: FailoverSettings) -> Any:
    """Return the failures after which a request is repeated: (any request, also a POST)."""
    return settings.retries.on.value, settings.retries.non_idempotent_on.value


def has_checks(settings: FailoverSettings) -> bool:
    """Return whether there are active checks."""
    return settings.checks is not None and settings.checks.kind.value is not CheckKind.NONE


def new_checks(settings: FailoverSettings) -> Any:
    """Return (interval, time-out, fall) of HTTP checks, or None if there are none."""
    checks: Checks | None = settings.checks
    if checks is None or checks.kind.value is not CheckKind.HTTP:
        return None
    return checks.interval_s.value, checks.timeout_s.value, checks.fall.value


def new_passive(settings: FailoverSettings) -> Any:
    """Return the number of failures that eject a server, or None if live traffic does not count."""
    passive: Passive | None = settings.passive
    return None if passive is None else passive.failures.value
