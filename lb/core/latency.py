"""How long a backend usually takes to its first byte, and from when on a wait needs another explanation."""

from __future__ import annotations

from typing import Final

from .backend import Backend
from .settings import PassiveSettings

_MEAN_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4


def add_sample(backend: Backend, sample: float) -> None:
    """Update mean and mean deviation (seconds) with one time to first byte: RFC 6298 §2.2 and §2.3.

    The deviation comes first because it is taken from the mean before the sample.
    """
    if backend.latency_mean == 0.0:
        backend.latency_mean, backend.latency_deviation = sample, sample / 2
        return
    error = sample - backend.latency_mean
    backend.latency_deviation += _DEVIATION_GAIN * (abs(error) - backend.latency_deviation)
    backend.latency_mean += _MEAN_GAIN * error


def add_lower_bound(backend: Backend, waited: float) -> None:
    """An answer would have taken longer than `waited`: no sample, but proof that the mean is too low if it is less."""
    if waited > backend.latency_mean:
        add_sample(backend, waited)


def suspicion_threshold(backend: Backend, settings: PassiveSettings) -> float:
    """Seconds without a first byte that this backend's own recent latencies do not explain.

    `mean + max(floor, deviations × deviation)`, the form of RFC 6298 §2.3's time-out, in which the floor stands for
    the clock granularity: a backend with steady latency must not be blamed for the noise of the host. Without any
    sample it is the ceiling.
    """
    if backend.latency_mean == 0.0:
        return settings.stall_ceiling
    margin = max(settings.stall_floor, settings.stall_deviations * backend.latency_deviation)
    return backend.latency_mean + margin


def stall_threshold(backend: Backend, settings: PassiveSettings) -> float:
    """Seconds after which a wait is worth a probe and a hedge: unexplained, or past the ceiling whatever the reason."""
    return min(suspicion_threshold(backend, settings), settings.stall_ceiling)
