"""Upper bounds on the time to reroute and to readmit for each kind of fault, computed from the configuration.

A bound depends on how the balancer notices a fault, so the kinds of fault are grouped into families with their own
formulae. Symbols (seconds unless noted otherwise):

    I' f'  interval and fast interval, with the full jitter             F R  fall and rise (counts)
    T      probe time-out; also the longest duration of a passed probe  C    connect time-out
    S      stall ceiling: a longer wait always justifies a probe        g    gap between requests to the backend
    n      failures in a row that eject (count)                            X    longest ejection
    t      tick; each wait and probe may end one late: 2·F·t, 2·R·t        D    discovery interval
    W      slow start; readmitted means with its full weight

The bounds assume that another backend is usable (else there is no backend to reroute to), that the balancer is never
short of CPU for longer than a tick, and that the backend has not flapped more than `flap_limit` times. For a flapping
backend, the hold-down adds to `readmit_s`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .fault_looks import LOOKS
from .settings import Settings

TRAFFIC_GAP: Final = 0.1
"""Seconds between requests to the backend that the bounds with traffic assume. For a larger gap, add the difference."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Bounds for one kind of fault. None means no bound, because the fault need not be detected or cannot be."""

    fault: str
    reroute_s: float | None
    """Seconds from the fault until no new request goes to the backend, by probes alone."""
    reroute_traffic_s: float | None
    """As `reroute_s`, if the backend gets a request at least every `TRAFFIC_GAP` seconds."""
    readmit_s: float | None
    """Seconds from the end of the fault until the backend is used again with its full weight."""
    formula: str
    terms: dict[str, float]
    """Value of each symbol in `formula`."""
    condition: str = ""
    """Condition under which the bound holds."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Formulae for faults that look alike to the balancer."""

    formula: str
    reroute: Callable[[dict[str, float]], float | None]
    traffic: Callable[[dict[str, float]], float | None]
    readmit: Callable[[dict[str, float]], float | None]


def bounds(settings: Settings) -> list[Bound]:
    """Return one bound for each kind of fault that the lab can inject."""
    terms = _terms(settings)
    looks = {fault: by_check.get(settings.health.kind, by_check["http"]) for fault, by_check in LOOKS.items()}
    return [_bound(fault, FAMILIES[family], condition, terms) for fault, (family, condition) in looks.items()]


def _bound(fault: str, family: _Family, condition: str, terms: dict[str, float]) -> Bound:
    reroute, traffic = family.reroute(terms), family.traffic(terms)
    if reroute is not None and traffic is not None:
        traffic = min(traffic, reroute)  # probes also run with traffic
    named = {symbol: round(value, 6) for symbol, value in terms.items() if _contains(family.formula, symbol)}
    readmit = family.readmit(terms)
    return Bound(fault, _rounded(reroute), _rounded(traffic), _rounded(readmit), family.formula, named, condition)


def _contains(formula: str, symbol: str) -> bool:
    """Return whether the formula contains the symbol, not just as a letter of a word."""
    return re.search(rf"(?<![A-Za-z]){symbol}(?![A-Za-z'])", formula) is not None


def _rounded(seconds: float | None) -> float | None:
    """Round to the microsecond, to drop floating-point noise."""
    return None if seconds is None else round(seconds, 6)


def _terms(settings: Settings) -> dict[str, float]:
    health, stretch = settings.health, 1.0 + settings.health.jitter
    return {
        "I'": health.interval * stretch,
        "f'": health.fast_interval * stretch,
        "T": health.timeout,
        "F": health.fall,
        "R": health.rise,
        "C": settings.retry.connect_timeout,
        "S": settings.passive.stall_ceiling,
        "X": settings.passive.max_ejection,
        "n": settings.passive.consecutive_failures,
        "g": TRAFFIC_GAP,
        "t": settings.tick,
        "D": settings.discovery_interval,
        "W": settings.slow_start,
    }


def _never(_: dict[str, float]) -> None:
    return None


def _hang(v: dict[str, float]) -> float:
    """Worst case: the fault begins just after a passed probe. One full wait, then F time-outs with fast waits
    between."""
    return v["I'"] + v["F"] * v["T"] + (v["F"] - 1) * v["f'"] + 2 * v["F"] * v["t"]


def _fast(v: dict[str, float]) -> float:
    """Worst case: as `_hang`, but each probe fails at once."""
    return v["I'"] + (v["F"] - 1) * v["f'"] + 2 * v["F"] * v["t"]


def _unhealthy_response(v: dict[str, float]) -> float:
    """The response to the first probe says that the backend is unhealthy. That alone makes it suspected, so F does not
    matter."""
    return v["I'"] + 2 * v["t"]


def _recover(v: dict[str, float]) -> float:
    """Worst case: a probe whose first packet was lost in the fault times out. Then one full wait and R passes
    follow."""
    return v["T"] + v["I'"] + (v["R"] - 1) * v["f'"] + v["R"] * v["T"] + 2 * v["R"] * v["t"] + v["W"]


def _recover_member(v: dict[str, float]) -> float:
    """Worst case: as `_recover`, after discovery has found the backend again."""
    return v["D"] + _recover(v)


def _dead_under_traffic(v: dict[str, float]) -> float:
    """The next request is refused (the backend is suspected at once), cannot connect (C), or is cut. In the last two
    cases a probe is started and must also fail. It may have to wait until the fast interval after the last probe is
    over."""
    return v["g"] + max(v["C"], v["f'"] + v["T"]) + 2 * v["t"]


def _silent_under_traffic(v: dict[str, float]) -> float:
    """The next request cannot connect (C), or stalls. After S at the latest a probe is started. If it fails too, the
    backend is suspected. Usually the recent latency of the backend reveals the stall long before S."""
    return v["g"] + max(v["C"], v["S"] + v["f'"] + v["T"]) + 3 * v["t"]


def _late_under_traffic(v: dict[str, float]) -> float:
    """The backend is slow. A stalled request makes it suspected, but its late response clears that mark, so F probes
    must fail. Traffic only makes the first of them start earlier: when a request has waited for S.

    If S is above T, a backend can respond later than T, which fails its probes, and earlier than S, so that no request
    stalls. Traffic does not help then."""
    if v["S"] > v["T"]:
        return _hang(v)
    return v["g"] + v["S"] + v["f'"] + v["F"] * v["T"] + (v["F"] - 1) * v["f'"] + 2 * (v["F"] + 1) * v["t"]


def _refused_under_traffic(v: dict[str, float]) -> float:
    """The next request is refused or reset. The balancer therefore probes the backend, and the probe fails at once."""
    return v["g"] + v["f'"] + 2 * v["t"]


def _failing_under_traffic(v: dict[str, float]) -> float:
    """An error response makes the balancer probe the backend, and the probe fails; or n error responses in a row eject
    the backend."""
    return min(_row_under_traffic(v), _refused_under_traffic(v))


def _row_under_traffic(v: dict[str, float]) -> float:
    return v["n"] * v["g"] + v["t"]


def _after_ejection(v: dict[str, float]) -> float:
    """Worst case: the fault ends just after the longest ejection began. From DOWN, probes decide on readmission."""
    return max(v["X"] + v["t"] + v["W"], _recover(v))


_HANG: Final = "reroute ≤ I' + F·T + (F−1)·f' + 2F·t"
_FAST: Final = "reroute ≤ I' + (F−1)·f' + 2F·t"
_UNHEALTHY_RESPONSE: Final = "reroute ≤ I' + 2t"
_RECOVER: Final = "T + I' + (R−1)·f' + R·T + 2R·t + W"

_DEAD: Final = _Family(
    f"{_HANG} · with traffic ≤ g + max(C, f' + T) + 2t · readmit ≤ D + {_RECOVER}",
    _hang,
    _dead_under_traffic,
    _recover_member,
)
_SILENT: Final = _Family(
    f"{_HANG} · with traffic ≤ g + max(C, S + f' + T) + 3t · readmit ≤ {_RECOVER}",
    _hang,
    _silent_under_traffic,
    _recover,
)
_CUT_OFF: Final = _Family(
    f"{_HANG} · with traffic ≤ g + max(C, S + f' + T) + 3t · readmit ≤ D + {_RECOVER}",
    _hang,
    _silent_under_traffic,
    _recover_member,
)
_LATE: Final = _Family(
    f"{_HANG} · with traffic ≤ g + S + f' + F·T + (F−1)·f' + 2(F+1)·t · readmit ≤ {_RECOVER}",
    _hang,
    _late_under_traffic,
    _recover,
)
_REFUSING: Final = _Family(
    f"{_FAST} · with traffic ≤ g + f' + 2t · readmit ≤ {_RECOVER}",
    _fast,
    _refused_under_traffic,
    _recover,
)
_UNHEALTHY: Final = _Family(
    f"{_UNHEALTHY_RESPONSE} · traffic adds nothing · readmit ≤ {_RECOVER}",
    _unhealthy_response,
    _unhealthy_response,
    _recover,
)
_FAILING: Final = _Family(
    f"{_UNHEALTHY_RESPONSE} · with traffic ≤ min(n·g + t, g + f' + 2t) · readmit ≤ max(X + t + W, {_RECOVER})",
    _unhealthy_response,
    _failing_under_traffic,
    _after_ejection,
)
_LYING: Final = _Family(
    f"probes see nothing · with traffic ≤ n·g + t · readmit ≤ max(X + t + W, {_RECOVER})",
    _never,
    _row_under_traffic,
    _after_ejection,
)
_HARMLESS: Final = _Family("not detected", _never, _never, _never)

FAMILIES: Final = {
    "dead": _DEAD,
    "silent": _SILENT,
    "cut_off": _CUT_OFF,
    "late": _LATE,
    "refusing": _REFUSING,
    "unhealthy": _UNHEALTHY,
    "failing": _FAILING,
    "lying": _LYING,
    "harmless": _HARMLESS,
}
"""Families by the names that fault kinds declare. `fault_looks.py` has the family of each kind."""
