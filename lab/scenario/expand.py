"""Expands the steps of a scenario: repetitions, groups and random choices become single steps at fixed times.

Every step has its own random generator, seeded by its position in the file. So naming a target, or adding a step at the
end, does not change the random choices of other steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from ..actions import ACTIONS
from .plan import PlannedStep
from .steps import Step
from .units import DurationRange


def expand(steps: Sequence[Step], start_s: float, seed: str) -> Iterator[PlannedStep]:
    """Yield all steps with their times in seconds since the run's start. Their offsets count from `start_s`."""
    for number, step in enumerate(steps):
        yield from _repeated(step, start_s, f"{seed}.{number}")


def _repeated(step: Step, start_s: float, seed: str) -> Iterator[PlannedStep]:
    if step.repeat is None:
        yield from _once(step, start_s, seed, step.phase)
        return
    for turn in range(step.repeat.times):
        phases = step.repeat.phases
        phase = step.phase if phases is None else (turn % phases) / phases
        yield from _once(step, start_s + turn * step.repeat.every, f"{seed}.{turn}", phase)


def _once(step: Step, start_s: float, seed: str, phase: float | None) -> Iterator[PlannedStep]:
    rng = Random(seed)
    at_s = start_s + _drawn(step.at, rng)
    if step.parallel is not None:
        yield from expand(step.parallel, at_s, f"{seed}.parallel")
    elif step.one_of is not None:
        yield from expand((rng.choice(step.one_of),), at_s, f"{seed}.one_of")
    else:
        yield _planned(step, at_s, rng, phase)


def _planned(step: Step, at_s: float, rng: Random, phase: float | None) -> PlannedStep:
    duration_s, pick = 0.0 if step.duration is None else _drawn(step.duration, rng), rng.random()
    return PlannedStep(
        at_s=round(at_s, 9),
        fault=step.fault or "",
        target=None if step.target in {"any", "random"} else step.target,
        pick=pick if step.target == "random" else 0.0,
        duration_s=duration_s,
        params=dict(sorted(step.params.items())),
        allow_last=step.allow_last,
        act=step.act or "",
        value=_value(step),
        phase=phase,
    )


def _value(step: Step) -> float:
    field = ACTIONS[step.act].value_field if step.act else ""
    return float(getattr(step, field) or 0.0) if field else 0.0


def _drawn(duration: DurationRange, rng: Random) -> float:
    share = rng.random()  # drawn even for a fixed duration, so that a range does not change later choices
    # Whole milliseconds, so that the result can be copied into a scenario exactly.
    low, high = duration.low, duration.high
    return low if low == high else round(low + share * (high - low), 3)
