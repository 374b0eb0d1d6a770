"""The longest time to reroute and to readmit that the configuration allows, for each kind of fault.

What matters about a fault is how it looks from the balancer, so the kinds fall into a few families, each with its own
formulae. Symbols (seconds unless said otherwise):

    I' f'  interval and fast interval, stretched by all of the jitter      F R  fall and rise (counts)
    T      probe time-out; also the longest that a passing probe can take  C    connect time-out
    S      stall ceiling: a wait that is worth a probe whatever the reason g    gap between requests to the backend
    n      failures in a row that eject (count)                            X    longest ejection
    t      tick; each wait and each probe may end one late: 2·F·t, 2·R·t   D    discovery interval
    W      slow start; readmitted means with its full weight

The bounds assume that another usable backend exists (else there is nowhere to reroute to), that the balancer itself is
not starved of CPU for longer than a tick, and a backend that has not exhausted its free falls (`flap_limit`): a
flapping one is held down on top of `readmit_s`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .fault_looks import LOOKS
from .settings import Settings

TRAFFIC_GAP: Final = 0.1
"""The bounds with traffic hold from ten requests a second to the backend on; for less, add the difference in gap."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The promise for one kind of fault. None: no promise, because the fault need not (or cannot) be noticed."""

    fault: str
    reroute_s: float | None
    """From the fault until no new request goes to the backend, by probes alone."""
    reroute_traffic_s: float | None
    """The same while requests arrive at the backend at least every `TRAFFIC_GAP`."""
    readmit_s: float | None
    """From the heal until the backend is used again, with its full weight."""
    formula: str
    terms: dict[str, float]
    """The value of each symbol in `formula`."""
    condition: str = ""
    """When the promise applies."""


@dataclass(frozen=True, slots=True)
class _Family:
    """How the faults of a family look from the balancer, and what follows."""

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
        traffic = min(traffic, reroute)  # probes go on under traffic too
    named = {symbol: round(value, 6) for symbol, value in terms.items() if _names(family.formula, symbol)}
    readmit = family.readmit(terms)
    return Bound(fault, _rounded(reroute), _rounded(traffic), _rounded(readmit), family.formula, named, condition)


def _names(formula: str, symbol: str) -> bool:
    """Whether the formula holds the symbol by itself, not as a letter of a word."""
    return re.search(rf"(?<![A-Za-z]){symbol}(?![A-Za-z'])", formula) is not None


def _rounded(seconds: float | None) -> float | None:
    """To the microsecond: floating-point dust says nothing."""
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
    """The fault begins just after a probe passed: one full wait, then F probes that time out, fast waits between."""
    return v["I'"] + v["F"] * v["T"] + (v["F"] - 1) * v["f'"] + 2 * v["F"] * v["t"]


def _fast(v: dict[str, float]) -> float:
    """As a hang, but each probe fails at once."""
    return v["I'"] + (v["F"] - 1) * v["f'"] + 2 * v["F"] * v["t"]


def _declined(v: dict[str, float]) -> float:
    """The first probe is answered, and the answer is no: the backend is avoided from then on, whatever F is."""
    return v["I'"] + 2 * v["t"]


def _recover(v: dict[str, float]) -> float:
    """A probe whose first packet the fault ate still has to time out; then one full wait and R passes."""
    return v["T"] + v["I'"] + (v["R"] - 1) * v["f'"] + v["R"] * v["T"] + 2 * v["R"] * v["t"] + v["W"]


def _recover_member(v: dict[str, float]) -> float:
    """As above, after discovery has seen the backend come back."""
    return v["D"] + _recover(v)


def _dead_under_traffic(v: dict[str, float]) -> float:
    """The next request is refused (suspected at once), cannot connect (C), or is cut: then the probe it asks for, which
    may have to keep a fast interval's distance from the one before, is the second witness."""
    return v["g"] + max(v["C"], v["f'"] + v["T"]) + 2 * v["t"]


def _silent_under_traffic(v: dict[str, float]) -> float:
    """The next request cannot connect (C), or stalls: after S at the latest a probe is asked for, and when that fails
    too the backend is avoided. Usually its own latency gives it away long before S."""
    return v["g"] + max(v["C"], v["S"] + v["f'"] + v["T"]) + 3 * v["t"]


def _late_under_traffic(v: dict[str, float]) -> float:
    """Answers still come, and each one dispels suspicion; so only probes decide, but the first is asked for after S.
    With S above T a delay between them stalls no request: then traffic does not help."""
    if v["S"] > v["T"]:
        return _hang(v)
    return v["g"] + v["S"] + v["f'"] + v["F"] * v["T"] + (v["F"] - 1) * v["f'"] + 2 * (v["F"] + 1) * v["t"]


def _refused_under_traffic(v: dict[str, float]) -> float:
    """The next request is refused, or reset; then the probe asked for fails at once."""
    return v["g"] + v["f'"] + 2 * v["t"]


def _failing_under_traffic(v: dict[str, float]) -> float:
    """The next request is answered with an error, which asks for a probe, and that is answered no; or a row ejects."""
    return min(_row_under_traffic(v), _refused_under_traffic(v))


def _row_under_traffic(v: dict[str, float]) -> float:
    return v["n"] * v["g"] + v["t"]


def _after_ejection(v: dict[str, float]) -> float:
    """Healed just after an ejection began, which may be the longest; or probes took it DOWN, and then they decide."""
    return max(v["X"] + v["t"] + v["W"], _recover(v))


_HANG: Final = "reroute ≤ I' + F·T + (F−1)·f' + 2F·t"
_FAST: Final = "reroute ≤ I' + (F−1)·f' + 2F·t"
_DECLINED: Final = "reroute ≤ I' + 2t"
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
    f"{_DECLINED} · traffic adds nothing · readmit ≤ {_RECOVER}", _declined, _declined, _recover
)
_FAILING: Final = _Family(
    f"{_DECLINED} · with traffic ≤ min(n·g + t, g + f' + 2t) · readmit ≤ max(X + t + W, {_RECOVER})",
    _declined,
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
"""By the names that fault kinds declare; `fault_looks.py` says which kind is in which."""
