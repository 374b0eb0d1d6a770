"""Describes a plan as text: what would happen and when, and what is expected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ..actions import ACTIONS
from .expectations import Expect, LatencyExpectation
from .plan import Plan, PlannedStep

IN_EVERY_RUN: Final = (
    "every bad request is explained by a fault",
    "retries stay within their budget",
    "no request is sent to a backend that is out of use",
)
"""What is expected even if the scenario does not ask for it."""


def describe(plan: Plan) -> Iterator[str]:
    """Yield lines for the title, the load, each step, and the end."""
    yield f"{plan.scenario} (seed {plan.seed}): {plan.title}"
    yield from timeline(plan)


def timeline(plan: Plan) -> Iterator[str]:
    """Yield lines for the load, each step, and the end, each with its time since the run's start."""
    load = plan.load
    kinds = ", ".join(f"{kind.share:.0%} {kind.method} {kind.path}" for kind in load.mix)
    connections = "kept alive" if load.keep_alive else "fresh for each request"
    yield f"   0.000 s  {load.rate:g} requests/s, {load.pacing}, connections {connections}: {kinds}"
    for name, value in plan.balancer.items():
        yield f"            the balancer runs with {name}={value}"
    yield f"{plan.warm_up_s:8.3f} s  requests due from here on are judged"
    for step in plan.steps:
        yield f"{step.at_s:8.3f} s  {_step(step)}"
    yield f"{plan.faults_end_s:8.3f} s  all steps are undone; up to {plan.settle_limit_s:g} s until all are readmitted"
    yield f"            then {plan.settle_s:g} s more; traffic ends at {plan.traffic_limit_s:g} s at the latest"


def expectations(plan: Plan) -> Iterator[str]:
    """Yield what a run of the plan has to show in order to pass, as one clause each."""
    expect = Expect.model_validate(plan.expect)
    moves = [word for word, wanted in (("rerouted", expect.reroute), ("readmitted", expect.readmit)) if wanted]
    if moves:
        yield f"{' and '.join(moves)} within the bound"
    if (allowed := expect.idempotent_failures) is not None and expect.error_budget != 0:
        yield f"at most {allowed} idempotent requests fail" if allowed else "no idempotent request fails"
    if any(kind.method == "POST" for kind in plan.load.mix):
        yield from _jobs({"lost": expect.lost, "duplicated": expect.duplicated, "executed late": expect.zombie})
    if expect.error_budget is not None:
        yield f"at most {expect.error_budget * 100:g}% of requests fail" if expect.error_budget else "no request fails"
    yield from _others(expect)


def _others(expect: Expect) -> Iterator[str]:
    if expect.slow_budget is not None:
        yield f"at most {expect.slow_budget * 100:g}% of requests are slow"
    if expect.answer_within is not None:
        yield f"every request is answered within {expect.answer_within:g} s"
    if expect.ejected:
        yield "no backend is taken out"
    if expect.distribution:
        yield "undisturbed traffic is distributed as the policy promises"
    if expect.sticky:
        yield "sessions stay on their backend while it is up"
    latency = expect.latency or LatencyExpectation()
    for where, limits in (("outside faults", latency.outside), ("during faults", latency.inside)):
        for name, _, limit in limits.limits():
            yield f"{name} of good responses {where} is at most {limit:g} s"
    for name, value in expect.checkers.items():
        yield f"the checker {name} passes ({value})"


def _jobs(allowed: Mapping[str, int | None]) -> Iterator[str]:
    if none := [word for word, most in allowed.items() if most == 0]:
        yield f"no job is {' or '.join([', '.join(none[:-1]), none[-1]] if none[1:] else none)}"
    for word, most in allowed.items():
        if most:
            yield f"at most {most} jobs are {word}"


def _step(step: PlannedStep) -> str:
    where = f" on {_target(step)}" if step.needs_target else ""
    value = f" {step.value:g}" if step.act and ACTIONS[step.act].value_field in {"to", "weight"} else ""
    text = f"{step.name.replace('_', ' ')}{value}{where}"
    if step.duration_s:
        text += f" for {step.duration_s:g} s"
    if step.params:
        text += f" ({', '.join(f'{name} {value}' for name, value in step.params.items())})"
    if step.phase is not None:
        text += f", at the next phase {step.phase:.3f} of the health-check interval"
    return text


def _target(step: PlannedStep) -> str:
    if step.target is not None:
        return step.target
    return f"the backend at {step.pick:.3f} of the sorted free ones" if step.pick else "the first free backend"
