"""Weights that follow the load which backends report, so slowly that they cannot swing.

A report is a backend's utilisation u in 0–1: the larger of the share of its processors in use (`cpu`) and of the share
of its cap that it holds (`in_flight` / `max_in_flight`), since whichever is short is what limits it. Reports are
smoothed over time (`SMOOTHING`), because they come at different rates: with every answer, or with every probe.

Every `STEP` seconds each backend's factor f moves by how far it is from the mean ū of all that report:

    log f ← log f − GAIN · (u − ū) · STEP,   then all are shifted so that the largest f is 1,   and f ≥ FLOOR

At rest all utilisations are equal, whatever the backends' capacities are. It cannot swing: a factor's effect on its
own backend's u is at most u itself, so the loop gain is at most GAIN = 0.15/s, and with a delay d of about 2 s (report
0.5, smoothing 1, step 0.5) GAIN · d = 0.3 stays below 1/e, from which on an integrator with a delay overshoots. The
price is patience: a difference of 0.5 halves a factor in some 9 s. Differences, not ratios, so that idle
backends at 1 % and 2 % are left alone.

A backend that does not report, or not any more (`STALE`), is neutral: its factor returns to 1 within a few seconds and
its last report counts for nobody.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .backend import Backend

FLOOR: Final = 0.1
"""No report takes more than nine tenths of a weight: without any traffic there would be nothing left to learn from."""
GAIN: Final = 0.15
SMOOTHING: Final = 1.0
STEP: Final = 0.5
STALE: Final = 5.0
"""Seconds: ten of the default probe intervals. A backend that reports by probe must not be forgotten for one lost."""
RELEASE: Final = 0.5
"""What a step leaves of a stale backend's log f."""
NOTICEABLE: Final = 0.02
"""Smaller changes of a factor are not passed on: each one makes policies rebuild their tables."""

_NUMBER: Final = re.compile(r"(?:^|[,;\s])(cpu|in_flight)\s*=\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)(?=$|[,;\s])")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a backend says about itself; None where it says nothing."""

    cpu: float | None = None
    """Share of its processors in use, 0–1."""
    in_flight: float | None = None
    """Requests that it works on, from whomever they came."""

    def utilisation(self, max_in_flight: int) -> float | None:
        """0–1; None if it says nothing."""
        shares = [self.cpu] if self.cpu is not None else []
        if self.in_flight is not None:
            shares.append(self.in_flight / max_in_flight)
        return min(1.0, max(shares)) if shares else None


def report_in_header(value: str) -> LoadReport | None:
    """An `X-Load` value such as `cpu=0.42, in_flight=3`; what else it holds is ignored. None without either."""
    found = {name: float(number) for name, number in _NUMBER.findall(value)}
    return LoadReport(found.get("cpu"), found.get("in_flight")) if found else None


def report_in_health(load: Any) -> LoadReport | None:
    """The `load` of a health report in JSON: `{"cpu": 0.42, "in_flight": 3}`. None if it makes no sense."""
    if not isinstance(load, Mapping):
        return None
    cpu, in_flight = _quantity(load.get("cpu")), _quantity(load.get("in_flight"))
    return None if cpu is None and in_flight is None else LoadReport(cpu, in_flight)


def _quantity(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if usable else None


@dataclass(slots=True)
class _Follower:
    """What is kept of one backend that has reported."""

    utilisation: float
    at: float
    log_factor: float = 0.0


class LoadFeedback:
    """Turns reports into `load_factor`s. A report costs O(1), a step O(backends that report)."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._followers: dict[Backend, _Follower] = {}
        self._stepped = 0.0

    def use(self, max_in_flight: int) -> None:
        """`Settings.admission.max_in_flight` has changed."""
        self._max_in_flight = max_in_flight

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Smooth a report in, with the weight 1 − e^(−Δt/SMOOTHING) of the time since the one before."""
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
        """The backend left."""
        self._followers.pop(backend, None)

    def tick(self, now: float) -> list[Backend]:
        """Once in a `STEP`: the backends whose `load_factor` has changed so that it is worth to weigh them anew."""
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
