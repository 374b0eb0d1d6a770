"""Weights that follow the load which backends report, slowly enough not to oscillate.

A report gives the utilisation u of a backend in 0–1: the larger of the share of its processors in use (`cpu`) and of
the share of its cap in use (`in_flight` / `max_in_flight`), since the scarcer resource is the limit. Reports are
smoothed over time (`SMOOTHING`) because they arrive at different rates: with every response, or with every probe.

Every `STEP` seconds the factor f of each backend moves by the distance of u from ū, the mean over all that report:

    log f ← log f − GAIN · (u − ū) · STEP,   then all are shifted so that the largest f is 1,   and f ≥ FLOOR

At equilibrium all utilisations are equal, whatever the capacities of the backends are. The loop cannot oscillate: the
effect of a factor on the u of its own backend is at most u itself, so the loop gain is at most GAIN = 0.15/s. With a
delay d of about 2 s (report 0.5, smoothing 1, step 0.5), GAIN · d = 0.3 stays below 1/e, above which an integrator with
delay overshoots. The price is slowness: a difference of 0.5 halves a factor in some 9 s. The rule uses differences and
not ratios, so that idle backends at 1 % and 2 % keep their weights.

A backend without a recent report (`STALE`) is neutral: its factor returns to 1 within a few seconds, and its last
report is ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .backend import Backend

FLOOR: Final = 0.1
"""Reports reduce a weight to a tenth at most: a backend without traffic would give no evidence of recovery."""
GAIN: Final = 0.15
SMOOTHING: Final = 1.0
"""Time constant of the smoothing, in seconds."""
STEP: Final = 0.5
"""Seconds between two adjustments."""
STALE: Final = 5.0
"""Seconds; ten of the default probe intervals, so that one lost probe does not make a backend neutral."""
RELEASE: Final = 0.5
"""Factor on log f of a stale backend at each step."""
NOTICEABLE: Final = 0.02
"""Smaller changes of a factor are not applied, because each change makes policies rebuild their tables."""

_NUMBER: Final = re.compile(r"(?:^|[,;\s])(cpu|in_flight)\s*=\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)(?=$|[,;\s])")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Load that a backend reports; None for a value that is missing."""

    cpu: float | None = None
    """Share of its processors in use, 0–1."""
    in_flight: float | None = None
    """Requests that it works on, from all clients."""

    def utilisation(self, max_in_flight: int) -> float | None:
        """Return the utilisation, 0–1; None if the report holds no value."""
        shares = [self.cpu] if self.cpu is not None else []
        if self.in_flight is not None:
            shares.append(self.in_flight / max_in_flight)
        return min(1.0, max(shares)) if shares else None


def report_in_header(value: str) -> LoadReport | None:
    """Parse an `X-Load` value such as `cpu=0.42, in_flight=3`; ignore other keys. Return None if both are missing."""
    found = {name: float(number) for name, number in _NUMBER.findall(value)}
    return LoadReport(found.get("cpu"), found.get("in_flight")) if found else None


def report_in_health(load: Any) -> LoadReport | None:
    """Parse the `load` of a JSON health report: `{"cpu": 0.42, "in_flight": 3}`. Return None if it holds neither
    value."""
    if not isinstance(load, Mapping):
        return None
    cpu, in_flight = _quantity(load.get("cpu")), _quantity(load.get("in_flight"))
    return None if cpu is None and in_flight is None else LoadReport(cpu, in_flight)


def _quantity(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if usable else None


@dataclass(slots=True)
class _Follower:
    """State of one backend that has reported: smoothed utilisation, time of the last report, and log f."""

    utilisation: float
    at: float
    log_factor: float = 0.0


class LoadFeedback:
    """Turns reports into the `load_factor` of backends. A report costs O(1), a step O(backends that report)."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._followers: dict[Backend, _Follower] = {}
        self._stepped = 0.0

    def use(self, max_in_flight: int) -> None:
        """Apply a new `Settings.admission.max_in_flight`."""
        self._max_in_flight = max_in_flight

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Smooth a report in with the weight 1 − e^(−Δt/SMOOTHING), where Δt is the time since the previous report."""
        utilisation = report.utilisation(self._max_in_flight)
        if utilisation is None:
            return
        follower = self._followers.get(backend)
        if follower is None:
            self._followers[backend] = _Follower(utilisation, now)
            return
        share = 1.0 if now - follower.at > STALE else -math.expm1((follower.at - now) / SMOOTHING)
        follower.utilisation += share * (utilisation - follower.utilisation)
        follower.at = now

    def forget(self, backend: Backend) -> None:
        """Drop the state of a backend that was removed."""
        self._followers.pop(backend, None)

    def tick(self, now: float) -> list[Backend]:
        """Every `STEP` seconds, return the backends whose `load_factor` has changed noticeably."""
        if now - self._stepped < STEP or not self._followers:
            return []
        self._stepped = now
        self._move([follower for follower in self._followers.values() if now - follower.at <= STALE])
        for follower in self._followers.values():
            if now - follower.at > STALE:
                follower.log_factor *= RELEASE
        return [backend for backend, follower in self._followers.items() if _publish(backend, follower)]

    def _move(self, fresh: list[_Follower]) -> None:
        if not fresh:
            return
        mean = sum(follower.utilisation for follower in fresh) / len(fresh)
        for follower in fresh:
            follower.log_factor -= GAIN * STEP * (follower.utilisation - mean)
        best = max(follower.log_factor for follower in fresh)
        for follower in fresh:
            follower.log_factor = max(math.log(FLOOR), follower.log_factor - best)


def _publish(backend: Backend, follower: _Follower) -> bool:
    factor = math.exp(follower.log_factor)
    if abs(factor - backend.load_factor) < NOTICEABLE and not (factor > 1.0 - NOTICEABLE / 2 > backend.load_factor):
        return False
    backend.load_factor = 1.0 if factor > 1.0 - NOTICEABLE / 2 else factor
    return True
