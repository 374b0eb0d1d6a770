"""The usual time to first byte of a backend, and the thresholds after which a wait counts as stalled."""

from __future__ import annotations

from typing import Final

from .backend import Backend
from .settings import PassiveSettings

_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4


def add_sample(backend: Backend, sample: float) -> None:
    """Update mean and mean deviation (seconds) with one time to first byte, as in RFC 6298 §2.2 and §2.3.

    The deviation is updated first because it is measured from the mean before the sample.
    """
    if backend.latency_mean == 0.0:
        backend.latency_mean, backend.latency_deviation = sample, sample / 2
        return
    error = sample - backend.latency_mean
    backend.latency_deviation += _DEVIATION_GAIN * (abs(error) - backend.latency_deviation)
    backend.latency_mean += _MEAN_GAIN * error


def add_lower_bound(backend: Backend, waited: float) -> None:
    """Raise the estimate if a wait that ended without a response was longer than the mean."""
    if waited > backend.latency_mean:
        add_sample(backend, waited)


def suspicion_threshold(backend: Backend, settings: PassiveSettings) -> float:
    """Return the seconds without a first byte that the recent latencies of the backend do not explain.

    `mean + max(floor, deviations × deviation)` has the form of the time-out in RFC 6298 §2.3. The floor takes the place
    of the clock granularity: scheduling noise of the host must not count against a backend with steady latency. Without
    a sample it is the ceiling.
    """
    if backend.latency_mean == 0.0:
        return settings.stall_ceiling
    margin = max(settings.stall_floor, settings.stall_deviations * backend.latency_deviation)
    return backend.latency_mean + margin


def stall_threshold(backend: Backend, settings: PassiveSettings) -> float:
    """Return the seconds after which a wait justifies a probe and a hedge: at most the ceiling."""
    return min(suspicion_threshold(backend, settings), settings.stall_ceiling)
