"""The steps of a scenario, written out: repetitions, groups and random choices become steps at fixed times.

Every step draws from a generator of its own, seeded by its place in the file: naming one target, or adding a step at
the end, does not change what the others get.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from ..actions import ACTIONS
from .plan import PlannedStep
from .steps import Step
from .units import Span


def concrete(steps: Sequence[Step], start_s: float, seed: str) -> Iterator[PlannedStep]:
    """All steps with their times; `start_s` is where offsets count from."""
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
        yield from concrete(step.parallel, at_s, f"{seed}.parallel")
    elif step.one_of is not None:
        yield from concrete((rng.choice(step.one_of),), at_s, f"{seed}.one_of")
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


def _drawn(span: Span, rng: Random) -> float:
    draw = rng.random()  # drawn also where there is no choice, so that a choice does not change what follows
    # Whole milliseconds: what is drawn can be written into a scenario and be the same.
    return span.low if span.low == span.high else round(span.low + draw * (span.high - span.low), 3)
