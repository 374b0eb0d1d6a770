"""Scales from values to pixels, and the ticks of an axis."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10

_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Linear:
    """Linear scale from `low`…`high` to the pixels `start`…`end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, at_most: int) -> list[float]:
        """Return round values (1, 2 or 5 × 10ⁿ apart) within the range, at most `at_most` + 1."""
        step = round_step((self.high - self.low) / at_most)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(i * step, 9) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Log:
    """Logarithmic scale from `low`…`high` (both > 0) to pixels. Values outside are drawn at the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        clamped = min(max(value, self.low), self.high)
        share = log10(clamped / self.low) / log10(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the powers of ten within the range."""
        first, last = ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9)
        return [10.0**n for n in range(first, last + 1)]


def round_step(least: float) -> float:
    """Return the smallest of 1, 2 or 5 × 10ⁿ that is at least `least` (> 0)."""
    decade: float = 10.0 ** floor(log10(least))
    return next(step * decade for step in (*_STEPS, 10.0) if step * decade >= least * (1 - 1e-9))


def decades(values: list[float], least: float, most: float) -> tuple[float, float]:
    """Return the range of a log axis: at least one decade around `values`, within `least`…`most`."""
    inside = [min(max(value, least), most) for value in values if value > 0] or [least]
    low, high = 10.0 ** floor(log10(min(inside))), 10.0 ** ceil(log10(max(inside)))
    return low, max(high, low * 10)
