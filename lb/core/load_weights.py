"""Weights that follow the load which backends report, slowly enough not to oscillate.

A report gives the utilisation u of a backend in 0–1: the larger of the share of its processors in use (`cpu`) and of
the share of its cap in use (`in_flight` / `max_in_flight`), since the scarcer resource is the limit. Reports are
smoothed over time (`SMOOTHING`) because they arrive at different rates: with every response, or with every probe.

Every `STEP` seconds the factor f of each backend moves by the distance of u from ū, the mean over all that report:

    log f ← log f − GAIN · (u − ū) · STEP,   then all are shifted so that the largest f is 1,   and f ≥ FLOOR

At equilibrium all utilisations are equal, even if capacities differ. The loop cannot oscillate, because the
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
"""Lowest factor. It is not 0, because a backend without traffic could not show that it has recovered."""
GAIN: Final = 0.15
SMOOTHING: Final = 1.0
"""Time constant of the smoothing, in seconds."""
STEP: Final = 0.5
"""Seconds between two adjustments."""
STALE: Final = 5.0
"""Seconds; ten of the default probe intervals, so that one lost probe does not make a backend neutral."""
STALE_DECAY: Final = 0.5
"""Factor by which log f of a stale backend shrinks at each step."""
MIN_CHANGE: Final = 0.02
"""Smaller changes of a factor are not applied, because each change makes policies rebuild their tables."""

_NUMBER: Final = re.compile(r"(?:^|[,;\s])(cpu|in_flight)\s*=\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)(?=$|[,;\s])")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Load that a backend reports; None for a value that is missing."""

    cpu: float | None = None
    """Share of the backend's processors in use, 0–1."""
    in_flight: float | None = None
    """Number of requests in progress on the backend, from all clients."""

    def utilisation(self, max_in_flight: int) -> float | None:
        """Return the utilisation, 0–1, or None if the report has no value."""
        shares = [self.cpu] if self.cpu is not None else []
        if self.in_flight is not None:
            shares.append(self.in_flight / max_in_flight)
        return min(1.0, max(shares)) if shares else None


def report_in_header(value: str) -> LoadReport | None:
    """Parse an `X-Load` value such as `cpu=0.42, in_flight=3`; ignore other keys. Return None if both are missing."""
    found = {name: float(number) for name, number in _NUMBER.findall(value)}
    return LoadReport(found.get("cpu"), found.get("in_flight")) if found else None


def report_in_health(load: Any) -> LoadReport | None:
    """Parse the `load` of a JSON health report: `{"cpu": 0.42, "in_flight": 3}`. Return None without either."""
    if not isinstance(load, Mapping):
        return None
    cpu, in_flight = _quantity(load.get("cpu")), _quantity(load.get("in_flight"))
    return None if cpu is None and in_flight is None else LoadReport(cpu, in_flight)


def _quantity(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if usable else None


@dataclass(slots=True)
class _ReportState:
    """State of one backend that has reported: smoothed utilisation, time of the last report, and log f."""

    utilisation: float
    at: float
    log_factor: float = 0.0


class LoadFeedback:
    """Turns reports into the `load_factor` of backends. A report costs O(1), a step O(backends that report)."""

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._states: dict[Backend, _ReportState] = {}
        self._stepped = 0.0

    def use(self, max_in_flight: int) -> None:
        """Apply a new `Settings.admission.max_in_flight`."""
        self._max_in_flight = max_in_flight

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Smooth a report in with the weight 1 − e^(−Δt/SMOOTHING), where Δt is the time since the previous report."""
        utilisation = report.utilisation(self._max_in_flight)
        if utilisation is None:
            return
        state = self._states.get(backend)
        if state is None:
            self._states[backend] = _ReportState(utilisation, now)
            return
        share = 1.0 if now - state.at > STALE else -math.expm1((state.at - now) / SMOOTHING)
        state.utilisation += share * (utilisation - state.utilisation)
        state.at = now

    def forget(self, backend: Backend) -> None:
        """Drop the state of a backend that was removed."""
        self._states.pop(backend, None)

    def tick(self, now: float) -> list[Backend]:
        """Adjust the factors every `STEP` seconds. Return the backends whose `load_factor` has changed noticeably."""
        if now - self._stepped < STEP or not self._states:
            return []
        self._stepped = now
        self._move([state for state in self._states.values() if now - state.at <= STALE])
        for state in self._states.values():
            if now - state.at > STALE:
                state.log_factor *= STALE_DECAY
        return [backend for backend, state in self._states.items() if _apply_factor(backend, state)]

    def _move(self, fresh: list[_ReportState]) -> None:
        if not fresh:
            return
        mean = sum(state.utilisation for state in fresh) / len(fresh)
        for state in fresh:
            state.log_factor -= GAIN * STEP * (state.utilisation - mean)
        best = max(state.log_factor for state in fresh)
        for state in fresh:
            state.log_factor = max(math.log(FLOOR), state.log_factor - best)


def _apply_factor(backend: Backend, state: _ReportState) -> bool:
    factor = math.exp(state.log_factor)
    if abs(factor - backend.load_factor) < MIN_CHANGE and not (factor > 1.0 - MIN_CHANGE / 2 > backend.load_factor):
        return False
    backend.load_factor = 1.0 if factor > 1.0 - MIN_CHANGE / 2 else factor
    return True
