"""Outlier detection from live traffic: failures in a row, the share of failures compared with the others, and latency.

A backend is ejected for failures only if others do not fail. If all fail, the fault is in something that they share,
such as their database, and ejections would only add load to the others.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .backend import Backend
from .settings import PassiveSettings

_COMMON_FAULT_SHARE: Final = 0.5
"""If the other backends fail at least this share of their requests, a row of failures is no reason to eject."""


@dataclass(slots=True)
class Outcomes:
    """Recent outcomes of live requests on one backend."""

    consecutive_failures: int = 0
    """Failures since the last success."""
    row_start: tuple[int, int] = (0, 0)
    """(outcomes, failures) of all backends together when the current row of failures began."""
    latest: deque[tuple[float, bool]] = field(default_factory=deque)
    """(time, failed), oldest first, at most `failure_window` entries."""
    failures: int = 0
    """Number of failures in `latest`."""

    @property
    def share(self) -> float:
        """Share of failures in `latest`, or 0 if it is empty."""
        return self.failures / len(self.latest) if self.latest else 0.0


class OutlierDetector:
    """Compares the outcomes of each backend with those of all others together, in O(1) per outcome."""

    def __init__(self, settings: PassiveSettings) -> None:
        self._settings = settings
        self._window_total = 0
        self._window_failures = 0
        self._lifetime_total = 0
        self._lifetime_failures = 0

    def use(self, settings: PassiveSettings) -> None:
        """Apply new settings from the next outcome on."""
        self._settings = settings

    def record(self, outcomes: Outcomes, failed: bool, now: float) -> str:
        """Add an outcome. Return the reason to eject the backend; an empty string if there is none."""
        self._expire(outcomes, now)
        outcomes.latest.append((now, failed))
        outcomes.failures += failed
        self._window_total += 1
        self._window_failures += failed
        if failed and outcomes.consecutive_failures == 0:
            outcomes.row_start = (self._lifetime_total, self._lifetime_failures)
        self._lifetime_total += 1
        self._lifetime_failures += failed
        outcomes.consecutive_failures = outcomes.consecutive_failures + 1 if failed else 0
        return self._reason(outcomes) if failed else ""

    def discard(self, outcomes: Outcomes) -> None:
        """Discard the outcomes of a backend, so that they count neither for it nor for the comparison with others."""
        self._window_total -= len(outcomes.latest)
        self._window_failures -= outcomes.failures
        outcomes.latest.clear()
        outcomes.failures = outcomes.consecutive_failures = 0

    def _expire(self, outcomes: Outcomes, now: float) -> None:
        latest = outcomes.latest
        oldest = now - self._settings.failure_max_age
        while latest and (len(latest) >= self._settings.failure_window or latest[0][0] < oldest):
            _, failed = latest.popleft()
            outcomes.failures -= failed
            self._window_total -= 1
            self._window_failures -= failed

    def _reason(self, outcomes: Outcomes) -> str:
        settings, row = self._settings, outcomes.consecutive_failures
        if row >= settings.consecutive_failures and self._others_share_during_row(outcomes) < _COMMON_FAULT_SHARE:
            return f"{row} requests failed in a row"
        others = self._others_share(outcomes)
        enough = len(outcomes.latest) >= settings.failure_window / 2
        if enough and outcomes.share - others >= settings.failure_share:
            return f"{outcomes.failures} of {len(outcomes.latest)} requests failed, {others:.0%} elsewhere"
        return ""

    def _others_share_during_row(self, outcomes: Outcomes) -> float:
        """Return the others' share of failures since the row began. Older successes would hide a common cause."""
        total_then, failures_then = outcomes.row_start
        total = self._lifetime_total - total_then - outcomes.consecutive_failures
        failures = self._lifetime_failures - failures_then - outcomes.consecutive_failures
        return failures / total if total else 0.0

    def _others_share(self, outcomes: Outcomes) -> float:
        total = self._window_total - len(outcomes.latest)
        return (self._window_failures - outcomes.failures) / total if total else 0.0


@dataclass(slots=True)
class EjectionBackoff:
    """Length of the ejections of one backend, which grows with each ejection."""

    recent_ejections: float = 0.0
    """Number of recent ejections. It decreases by one for each `forgive_after` seconds since the last one ended."""
    until: float = 0.0
    """When the current or last ejection ends, in monotonic seconds."""

    def eject(self, now: float, settings: PassiveSettings) -> float:
        """Start an ejection and return its length: `base_ejection × recent_ejections`, at most `max_ejection`
        seconds."""
        forgiven = max(0.0, now - self.until) / settings.forgive_after
        self.recent_ejections = max(0.0, self.recent_ejections - forgiven) + 1.0
        length = min(settings.max_ejection, settings.base_ejection * self.recent_ejections)
        self.recent_ejections = min(self.recent_ejections, max(1.0, settings.max_ejection / settings.base_ejection))
        self.until = now + length
        return length


def may_eject(ejected: int, in_rotation: int, members: int, settings: PassiveSettings) -> bool:
    """Return whether one more ejection leaves a backend in rotation and the share of ejected backends within its limit.

    The share is the one *after* the ejection. With the share before it, one of two backends could be ejected at a limit
    of 10 %, because the current share of 0 % is within any limit.
    """
    return in_rotation > 1 and (ejected + 1) <= settings.max_ejected_share * members


def latency_outliers(candidates: Sequence[Backend], settings: PassiveSettings) -> list[tuple[Backend, str]]:
    """Return the backends whose mean latency exceeds `latency_factor` × the median of the others, each with the reason.

    Backends below `stall_ceiling` are never outliers: three times 1 ms is unusual but does no harm.
    """
    if settings.latency_factor <= 0.0:
        return []
    measured = sorted((b for b in candidates if b.latency_mean > 0.0), key=lambda b: b.latency_mean)
    means = [b.latency_mean for b in measured]
    outliers = []
    for index in range(bisect(means, settings.stall_ceiling), len(means)):
        usual = _median_without(means, index)
        if means[index] > settings.latency_factor * usual > 0.0:
            reason = f"mean latency {means[index] * 1e3:.0f} ms, {usual * 1e3:.0f} ms elsewhere"
            outliers.append((measured[index], reason))
    return outliers


def _median_without(ascending: list[float], index: int) -> float:
    """Return the median of all values but the one at `index`, in O(1); 0 if there is no other."""
    count = len(ascending) - 1
    if count == 0:
        return 0.0
    low, high = (rank + (rank >= index) for rank in ((count - 1) // 2, count // 2))
    return (ascending[low] + ascending[high]) / 2
