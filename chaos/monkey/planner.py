"""Makes a plan from an order and a seed. Pure: the same input gives the same plan.

Faults begin as a Poisson process. An arrival in a quiet period, above the budget or without a free target is dropped.
Every arrival draws four random numbers, whether it uses them or not, so that a change of budget, quiet periods or
durations does not change the times of the other arrivals.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from ..engine.guard import MIN_DURATION_S
from ..inputs.units import parse_duration, parse_rate
from .monkey_orders import Choice, MonkeyOrder, Plan, Step

SETTLE_S = 1.0
"""Seconds after a fault's end in which its target gets no other fault and counts against the budget, because healing
takes time."""
Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Arrival:
    at_s: float
    kind: float
    target: float
    length: float
    """`kind`, `target` and `length` are uniform random numbers in [0, 1)."""


def make_plan(order: MonkeyOrder, names: Iterable[str], seed: int) -> Plan:
    """Return the plan for these backends. The order must have passed `check_order`."""
    duration_s = parse_duration(order.duration)
    quiet = sorted((parse_duration(each.begin), parse_duration(each.end)) for each in order.quiet)
    backends = sorted(set(names))
    steps: list[Step] = []
    busy: dict[str, float] = {}
    """Target → time, in seconds, from which it may get another fault."""
    for arrival in _arrivals(Random(seed), parse_rate(order.rate), duration_s):
        choice = _choose(order.faults, arrival.kind)
        length_s = _length(choice, arrival, duration_s, quiet)
        busy = {name: until_s for name, until_s in busy.items() if until_s > arrival.at_s}
        free = [name for name in backends if name not in busy]
        if length_s < MIN_DURATION_S or len(busy) >= order.budget or not free:
            continue
        target = free[int(arrival.target * len(free))]
        busy[target] = arrival.at_s + length_s + SETTLE_S
        steps.append(_step(arrival.at_s, choice, target, length_s))
    return Plan(
        seed=seed,
        duration_s=duration_s,
        budget=order.budget,
        allow_last=order.allow_last,
        stop_when=order.stop_when,
        steps=steps,
    )


def _arrivals(rng: Random, rate_per_s: float, duration_s: float) -> Iterable[_Arrival]:
    """Yield arrivals with exponential gaps, by inversion, because Python guarantees only `random()`'s sequence."""
    at_s = 0.0
    while True:
        at_s += -math.log(1.0 - rng.random()) / rate_per_s
        arrival = _Arrival(math.floor(at_s * 1000) / 1000, rng.random(), rng.random(), rng.random())
        if at_s >= duration_s:
            return
        yield arrival


def _choose(choices: Sequence[Choice], draw: float) -> Choice:
    sums = list(accumulate(choice.weight for choice in choices))
    return next((choice for choice, total in zip(choices, sums, strict=True) if draw * sums[-1] < total), choices[-1])


def _length(choice: Choice, arrival: _Arrival, duration_s: float, quiet: Sequence[Window]) -> float:
    """Return the fault's length in seconds, rounded to milliseconds.

    It is 0 in a quiet period, and shortened to end before the next quiet period and the monkey's end.
    """
    if any(begin <= arrival.at_s < end for begin, end in quiet):
        return 0.0
    least = parse_duration(choice.duration)
    most = least if choice.up_to is None else parse_duration(choice.up_to)
    limit = min([duration_s, *(begin for begin, _ in quiet if begin > arrival.at_s)]) - arrival.at_s
    return math.floor(min(least + arrival.length * (most - least), limit) * 1000) / 1000


def _step(at_s: float, choice: Choice, target: str, length_s: float) -> Step:
    duration = f"{round(length_s * 1000)}ms"
    return Step(at_s=at_s, kind=choice.kind, target=target, duration=duration, params=choice.params)
