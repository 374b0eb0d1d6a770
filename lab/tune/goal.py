"""Goals and limits of a tuning, as they are written on the command line.

--goal 'FAULT: MEASURE <= VALUE'        pause: reroute <= 300ms · kill, refuse: failed <= 10 · all: wait <= 2s
--limit 'MEASURE <= VALUE'              checks <= 20/s a backend · attempts <= 3 · wait <= 2s
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..advise.prediction import Duration, Estimate, Fault, Prediction
from ..balancers.configuration import FailoverSettings
from ..balancers.tunables import has_checks
from ..errors import BadArgumentsError
from ..scenario.units import parse_duration, parse_rate

ALL: Final = "all"
GOAL: Final = "FAULT: MEASURE <= VALUE"
LIMIT: Final = "MEASURE <= VALUE"
_GOAL: Final = re.compile(r"\s*(?P<faults>[^:<≤]+):\s*(?P<measure>[^<≤]+?)\s*(?:<=|≤)\s*(?P<value>\S.*?)\s*")
_LIMIT: Final = re.compile(r"\s*(?P<measure>[^<≤:]+?)\s*(?:<=|≤)\s*(?P<value>\S.*?)\s*")
_EACH: Final = re.compile(r"\s+(?:a|per)\s+(?:backend|server)")


def _seconds(duration: Duration | None) -> float:
    return math.inf if duration is None else duration.seconds


def _duration(value: str) -> float:
    return parse_duration(value)


def _count(value: str) -> float:
    if not re.fullmatch(r"\d{1,9}", value, re.ASCII):
        raise ValueError(f"expected a whole number; got {value!r}")
    return float(value)


def _rate(value: str) -> float:
    return parse_rate(_EACH.sub("", value))


def shown_seconds(value: float) -> str:
    """Return `300 ms`, `1.05 s` or `never`."""
    if math.isinf(value):
        return "never"
    return f"{value * 1000:.4g} ms" if 0 < value < 1 else f"{value:.4g} s"


def shown_count(value: float) -> str:
    """Return a number without decimals."""
    return f"{value:.0f}"


def shown_rate(value: float) -> str:
    """Return `2/s`."""
    return f"{value:.3g}/s"


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that a model predicts, in the worst case."""

    name: str
    meaning: str
    read: Callable[[Prediction], float]
    """Infinite if it has no end."""
    parse: Callable[[str], float]
    shown: Callable[[float], str]
    expected: str
    """Text for error messages: the form of the value."""
    measured: str = ""
    """Field of a run's measures; empty if a run does not measure it."""
    estimate: Callable[[Prediction], Estimate] | None = None
    """The sum behind it; None if it is not a sum."""


_TIME: Final = "a duration such as 300ms"
_NUMBER: Final = "a whole number"
MEASURES: Final = {
    each.name: each
    for each in (
        Measure(
            "reroute",
            "from the fault to the last request that a client sees fail or be slow",
            lambda each: _seconds(each.visible.worst),
            _duration,
            shown_seconds,
            _TIME,
            "reroute_s",
            lambda each: each.visible,
        ),
        Measure(
            "noticed",
            "from the fault until no new request goes to the server",
            lambda each: _seconds(each.notice.worst),
            _duration,
            shown_seconds,
            _TIME,
            "",
            lambda each: each.notice,
        ),
        Measure(
            "failed",
            "requests that fail during the fault",
            lambda each: float(each.risk.get_failed + each.risk.post_failed),
            _count,
            shown_count,
            _NUMBER,
            "failed",
        ),
        Measure(
            "slow",
            "good responses that come late during the fault",
            lambda each: float(each.risk.get_slow + each.risk.post_slow),
            _count,
            shown_count,
            _NUMBER,
            "slow",
        ),
        Measure(
            "wait",
            "longest time until a client has its response, an error included",
            lambda each: each.longest_wait.seconds,
            _duration,
            shown_seconds,
            _TIME,
        ),
        Measure(
            "back",
            "from the end of the fault until the server gets requests again",
            lambda each: _seconds(each.back.worst),
            _duration,
            shown_seconds,
            _TIME,
            "",
            lambda each: each.back,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on what clients see."""

    faults: tuple[Fault, ...]
    measure: Measure
    bound: float
    text: str

    def of(self, predictions: Sequence[Prediction]) -> dict[Fault, float]:
        """Return the predicted value for each kind of fault of this goal."""
        return {each.fault: self.measure.read(each) for each in predictions if each.fault in self.faults}


@dataclass(frozen=True, slots=True)
class Limit:
    """A bound on what the balancer may do to reach a goal."""

    name: str
    bound: float
    text: str

    def of(self, settings: FailoverSettings, predictions: Sequence[Prediction]) -> float:
        """Return the value under these settings."""
        return LIMITS[self.name].read(settings, predictions)


@dataclass(frozen=True, slots=True)
class Limited:
    """Something that can be limited."""

    meaning: str
    read: Callable[[FailoverSettings, Sequence[Prediction]], float]
    parse: Callable[[str], float]
    shown: Callable[[float], str]
    expected: str


def check_rate(settings: FailoverSettings) -> float:
    """Return the health checks per second of one server, in the state in which they come fastest."""
    checks = settings.checks
    if checks is None or not has_checks(settings):
        return 0.0
    shortest = min(checks.interval_s.value, checks.doubt_interval_s.value, checks.down_interval_s.value)
    return math.inf if shortest <= 0 else round(1 / shortest, 6)


LIMITS: Final = {
    "checks": Limited(
        "health checks of one server, in the state in which they come fastest",
        lambda settings, _: check_rate(settings),
        _rate,
        shown_rate,
        "a rate such as 20/s a backend",
    ),
    "attempts": Limited(
        "attempts to send one request, the first one included",
        lambda settings, _: float(settings.retries.attempts.value),
        _count,
        shown_count,
        _NUMBER,
    ),
    "wait": Limited(
        "longest wait of a client under any fault",
        lambda _, predictions: max(each.longest_wait.seconds for each in predictions),
        _duration,
        shown_seconds,
        _TIME,
    ),
}


def parse_goal(text: str) -> Goal:
    """Return the goal of `pause: reroute <= 300ms`. Raise `BadArgumentsError` that says what was expected."""
    found = _GOAL.fullmatch(text)
    if found is None:
        raise BadArgumentsError(f"--goal {text!r}: expected {GOAL}", "such as --goal 'pause: reroute <= 300ms'")
    faults = _faults(found["faults"], text)
    measure = MEASURES.get(found["measure"])
    if measure is None:
        raise BadArgumentsError(
            f"--goal {text!r}: {found['measure']!r} is no measure", f"choose from {', '.join(MEASURES)}"
        )
    return Goal(faults, measure, _value("--goal", text, found["value"], measure), text.strip())


def parse_limit(text: str) -> Limit:
    """Return the limit of `checks <= 20/s a backend`. Raise `BadArgumentsError` that says what was expected."""
    found = _LIMIT.fullmatch(text)
    if found is None:
        raise BadArgumentsError(f"--limit {text!r}: expected {LIMIT}", "such as --limit 'checks <= 20/s a backend'")
    limited = LIMITS.get(found["measure"])
    if limited is None:
        raise BadArgumentsError(
            f"--limit {text!r}: {found['measure']!r} cannot be limited", f"choose from {', '.join(LIMITS)}"
        )
    return Limit(found["measure"], _value("--limit", text, found["value"], limited), text.strip())


def _faults(words: str, text: str) -> tuple[Fault, ...]:
    named = [word.strip() for word in words.split(",")]
    if named == [ALL]:
        return tuple(Fault)
    wrong = [word for word in named if word not in set(Fault)]
    if wrong:
        raise BadArgumentsError(
            f"--goal {text!r}: {wrong[0]!r} is no kind of fault", f"choose from {', '.join(Fault)}, {ALL}"
        )
    return tuple(dict.fromkeys(map(Fault, named)))


def _value(option: str, text: str, value: str, measure: Any) -> float:
    try:
        bound: float = measure.parse(value)
    except ValueError:
        raise BadArgumentsError(
            f"{option} {text!r}: {value!r} is not {measure.expected}", f"write {measure.expected}"
        ) from None
    return bound
