"""Steps: acts, groups, repetitions, choices and phases, and the plan that becomes of them."""

from __future__ import annotations

import json

import pytest

from lab.scenario.describe import describe
from lab.scenario.expectations import Expect
from lab.scenario.fault_kinds import built_in
from lab.scenario.file_reader import load_scenario, parse_scenario
from lab.scenario.library import find, names
from lab.scenario.model_file import ModelFileError
from lab.scenario.plan import Plan, PlannedStep
from lab.scenario.planner import make_plan

FRAME = """\
version: 1
title: Steps
load: {{rate: 100/s, mix: [{{request: GET /work, share: 100%}}]}}
warm_up: 1s
steady_state: 2s
steps:
{steps}
expect: {{lost: 0}}
"""


def plan(*steps: str, seed: int = 1) -> Plan:
    text = FRAME.format(steps="\n".join(f"  - {step}" for step in steps))
    return make_plan(parse_scenario(text, "x.yaml"), "x", seed)


def steps(*texts: str, seed: int = 1) -> tuple[PlannedStep, ...]:
    return plan(*texts, seed=seed).steps


def complaint(step: str) -> str:
    with pytest.raises(ModelFileError) as caught:
        plan(step)
    return str(caught.value)


def test_a_repeated_step_is_as_many_steps_at_its_rhythm() -> None:
    found = steps("{at: 1s, fault: kill, duration: 1s, repeat: {times: 3, every: 5s}}")
    assert [step.at_s for step in found] == [4.0, 9.0, 14.0]


def test_a_group_counts_from_its_own_start_and_is_repeated_as_a_whole() -> None:
    found = steps(
        "{at: 1s, repeat: {times: 2, every: 10s}, parallel: "
        "[{fault: kill, target: api-1, duration: 1s}, {at: 500ms, fault: pause, target: api-2, duration: 1s}]}"
    )
    assert [(step.at_s, step.fault) for step in found] == [
        (4.0, "kill"),
        (4.5, "pause"),
        (14.0, "kill"),
        (14.5, "pause"),
    ]


def test_repetitions_walk_through_the_phases() -> None:
    found = steps("{fault: kill, duration: 1s, repeat: {times: 4, every: 5s, phases: 4}}")
    assert [step.phase for step in found] == [0.0, 0.25, 0.5, 0.75]
    assert steps("{fault: kill, duration: 1s, phase: 3/8}")[0].phase == 0.375


def test_choices_follow_from_the_seed_and_from_nothing_else() -> None:
    choice = "{one_of: [{fault: kill, duration: 1s}, {fault: pause, duration: 1s}], repeat: {times: 20, every: 5s}}"
    drawn = [step.fault for step in steps(choice)]
    assert set(drawn) == {"kill", "pause"}, "each repetition draws afresh"
    assert drawn == [step.fault for step in steps(choice)]
    assert drawn != [step.fault for step in steps(choice, seed=2)]
    alone, beside = (
        steps("{fault: kill, target: random, duration: 1s}"),
        steps("{fault: kill, target: random, duration: 1s}", "{at: 9s, fault: pause, target: api-1, duration: 1s}"),
    )
    assert alone[0].pick == beside[0].pick, "another step changes nothing"


def test_a_span_is_drawn_within_its_ends() -> None:
    found = steps(
        "{at: {between: [1s, 2s]}, fault: kill, duration: {between: [500ms, 700ms]}, repeat: {times: 50, every: 9s}}"
    )
    offsets = [step.at_s - 3.0 - 9.0 * turn for turn, step in enumerate(found)]
    assert 1.0 <= min(offsets) < 1.2 < 1.8 < max(offsets) <= 2.0
    assert all(0.5 <= step.duration_s <= 0.7 for step in found)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{at: 1s}", "expected exactly one of fault, act, parallel, one_of"),
        ("{fault: kill, act: drain, duration: 1s}", "expected exactly one of fault, act, parallel, one_of"),
        ("{act: dran, duration: 1s}", "did you mean drain?"),
        ("{act: drain}", "expected a duration with drain"),
        ("{act: scale, duration: 1s}", "expected to with act: scale"),
        ("{act: drain, to: 3, duration: 1s}", "expected to with act: scale, and only there"),
        ("{fault: kill, duration: {between: [2s, 1s]}}", "expected the shorter duration first"),
        ("{fault: kill, duration: {betwen: [1s, 2s]}}", "expected a duration or {between: [1s, 3s]}"),
        ("{fault: kill, duration: 1s, phase: 9/8}", "below 1, such as 3/8"),
        ("{parallel: [{fault: kill, duraton: 1s}]}", "x.yaml:7: steps[0].parallel[0].duraton: is not a known field"),
        ("{fault: kill, duration: 1s, phase: 1/2, repeat: {times: 2, every: 5s, phases: 2}}", "either phase or"),
    ],
)  # fmt: skip
def test_each_mistake_is_said(step: str, words: str) -> None:
    assert words in complaint(step)


def test_settings_of_the_balancer_become_its_environment() -> None:
    made = make_plan(load_scenario(find("sticky-failover")), "sticky-failover", 1)
    assert made.balancer == {"LB_STICKY__COOKIE": "lb", "LB_STICKY__SECRETS": "a-secret-of-the-lab-only"}


@pytest.mark.parametrize("name", names())
def test_the_same_seed_gives_the_same_bytes_and_they_can_be_read_back(name: str) -> None:
    scenario = load_scenario(find(name))
    first, second = make_plan(scenario, name, 7).to_json(), make_plan(scenario, name, 7).to_json()
    assert first == second
    assert Plan.from_json(first).to_json() == first
    assert all(line.strip() for line in describe(Plan.from_json(first)))


OLD_EXPECT = {
    "reroute_within_bound": True, "readmit_within_bound": False, "idempotent_failures": 0, "lost": 0, "duplicated": 0,
    "zombie": None, "error_budget": 0.015, "slow_budget": None,
}  # fmt: skip
NEWER_EXPECT = {
    "distribution": True, "sticky": True, "nobody_ejected": True, "answer_within_s": 2.5, "latency_inside": None,
    "latency_outside": {"p50_s": None, "p95_s": None, "p99_s": 0.05, "max_s": None},
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expect"), [(1, OLD_EXPECT), (2, {**OLD_EXPECT, **NEWER_EXPECT})])
def test_a_plan_of_an_earlier_version_is_still_read(schema: int, expect: dict[str, object]) -> None:
    written = json.loads(make_plan(load_scenario(find("kill")), "kill", 1).to_json())
    plan = Plan.from_json(json.dumps({**written, "schema": schema, "expect": expect}))
    assert plan.steps[0].fault == "kill"
    read = Expect.model_validate(plan.expect)
    assert (read.reroute, read.readmit, read.lost, read.zombie, read.error_budget) == (
        "within_bound", None, 0, None, 0.015,
    )  # fmt: skip
    if schema == 2:
        assert (read.distribution, read.sticky, read.ejected, read.answer_within) == ("policy", "kept", "none", 2.5)
        assert read.latency is not None
        assert [*read.latency.outside.limits()] == [("p99", 0.99, 0.05)]
        assert [*read.latency.inside.limits()] == []
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("name", names())
def test_a_plan_stores_what_the_scenario_expects(name: str) -> None:
    scenario = load_scenario(find(name))
    assert Expect.model_validate(make_plan(scenario, name, 7).expect) == scenario.expect


def test_the_library_has_every_kind_that_was_promised() -> None:
    found = {step.name for name in names() for step in make_plan(load_scenario(find(name)), name, 1).steps}
    assert {"drain", "maint", "weight", "rolling_restart", "scale", "kill_balancer", "restart_balancer"} <= found
    assert len(names()) >= 20


def test_the_library_has_each_fault_alone() -> None:
    """One scenario of that name each: the kind, on one target, and nothing else."""
    alone = [kind for kind in built_in().kinds if kind in names()]
    assert len(alone) >= 21
    for kind in alone:
        steps = make_plan(load_scenario(find(kind)), kind, 1).steps
        assert [step.fault for step in steps] == [kind]
