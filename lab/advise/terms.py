"""Terms of a sum: from settings with their places, and from what the lab assumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..balancers.configuration import Value
from .prediction import Duration, Input, Term

ALLOWANCE: Final = Input("m", "allowance for scheduling, and for requests in flight", 0.05, "assumed by the lab")
"""Added to each duration, because timers fire late, and checks and requests need time on their way."""


class Names:
    """Makes inputs of one program's settings: the place of a value, or the documentation of its default."""

    def __init__(self, program: str, docs: Mapping[str, str]) -> None:
        """`docs`: symbol of an input → address of the program's documentation; the key "" is for all others."""
        self._program = program
        self._docs = docs

    def docs(self, symbol: str) -> str:
        """Return the address of the documentation of a setting."""
        return self._docs.get(symbol) or self._docs[""]

    def given(self, symbol: str, meaning: str, value: Value[float] | Value[int]) -> Input:
        """Return the input for a value that the file sets or that is the program's default."""
        source = str(value.place) if value.place else f"default of {self._program} ({self.docs(symbol)})"
        return Input(symbol, meaning, value.value, source, value.place)


def fault_ends(seconds: float) -> Duration:
    """Return the duration of the fault as a sum of one term."""
    return Duration((whole(Input("D", "duration of the fault", seconds, "assumed (--outage)")),))


def whole(each: Input) -> Term:
    """Return the value itself."""
    return Term(each.symbol, each.value, (each,))


def half(each: Input) -> Term:
    """Return the mean of a wait that is uniform between 0 and the value."""
    return Term(f"{each.symbol}/2", each.value / 2, (each,))


def times(count: Input, each: Input) -> Term:
    """Return count × value."""
    return Term(f"{count.symbol}·{each.symbol}", count.value * each.value, (count, each))


def one_less(count: Input, each: Input) -> Term:
    """Return (count − 1) × value: the waits between events."""
    return Term(f"({count.symbol}−1)·{each.symbol}", (count.value - 1) * each.value, (count, each))


def stretched(each: Input, jitter: Input | None) -> Input:
    """Return an interval with its full jitter."""
    if jitter is None or not jitter.value:
        return each
    source = f"{each.source}, jitter {jitter.value:.0%} {jitter.source}"
    return Input(f"{each.symbol}'", f"{each.meaning}, with jitter", each.value * (1 + jitter.value), source, each.place)


def total(*terms: Term) -> Duration:
    """Return the sum without terms that are 0."""
    return Duration(tuple(term for term in terms if term.seconds))
