"""The plan of a monkey: what may be in it, whatever the seed, and that a seed decides it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chaos.errors import BadRequestError
from chaos.inputs.units import parse_duration
from chaos.monkey.monkey_orders import MonkeyBody, MonkeyOrder, Plan, check_order, check_plan
from chaos.monkey.planner import SETTLE_S, make_plan

NAMES = ["api-1", "api-2", "api-3"]
SEEDS = st.integers(0, 2**53 - 1)


def order(**fields: Any) -> MonkeyOrder:
    faults = [{"kind": "pause", "duration": "1s", "up_to": "5s"}, {"kind": "kill", "duration": "2s", "weight": 2}]
    return MonkeyOrder(**({"duration": "5min", "rate": "30/min", "faults": faults, "budget": 2} | fields))


def spans(plan: Plan) -> list[tuple[float, float, str]]:
    return [(step.at_s, step.at_s + parse_duration(step.duration), step.target) for step in plan.steps]


@given(SEEDS, st.permutations(NAMES))
def test_a_seed_decides_the_plan_however_the_runtime_lists(seed: int, names: list[str]) -> None:
    assert make_plan(order(), names, seed) == make_plan(order(), NAMES, seed)


def test_another_seed_another_plan() -> None:
    assert len({make_plan(order(), NAMES, seed).model_dump_json() for seed in range(50)}) == 50


def test_the_plan_is_the_same_on_every_machine() -> None:
    """A constant, so that a change of the method is noticed: old reports name seeds."""
    plan = make_plan(order(duration="20s"), NAMES, 7)
    assert [(step.at_s, step.kind, step.target, step.duration) for step in plan.steps] == [
        (0.782, "pause", "api-2", "1289ms"),
        (2.317, "kill", "api-1", "2000ms"),
        (3.499, "kill", "api-2", "2000ms"),
        (5.474, "kill", "api-3", "2000ms"),
        (12.954, "pause", "api-3", "2158ms"),
        (13.266, "pause", "api-1", "4264ms"),
        (17.533, "kill", "api-2", "2000ms"),
        (18.74, "pause", "api-3", "1260ms"),
    ]


@settings(deadline=None)  # a unit test measures no time
@given(SEEDS, st.integers(1, 3), st.sampled_from(["6/min", "1/s", "5/s"]))
def test_no_plan_exceeds_its_limits(seed: int, budget: int, rate: str) -> None:
    quiet = [{"begin": "20s", "end": "40s"}, {"begin": "35s", "end": "50s"}, {"begin": "2min", "end": "3min"}]
    plan = make_plan(order(budget=budget, rate=rate, quiet=quiet), NAMES, seed)
    assert plan.steps == sorted(plan.steps, key=lambda step: step.at_s)
    check_plan(plan, 300)
    for begin, end, target in spans(plan):
        assert 0 <= begin < end <= plan.duration_s + 1e-9
        assert end - begin >= 0.1 - 1e-9
        assert target in NAMES
        for quiet_begin, quiet_end in ((20, 40), (35, 50), (120, 180)):
            assert end <= quiet_begin + 1e-9 or begin >= quiet_end
        at_once = [other for other in spans(plan) if other[0] <= begin < other[1] + SETTLE_S - 1e-9]
        assert len(at_once) <= budget
        assert len({name for _, _, name in at_once}) == len(at_once), "one fault a target"


@given(SEEDS)
def test_a_tighter_budget_only_leaves_faults_out(seed: int) -> None:
    """The arrivals are the same: budget and quiet times thin them and do not shift them."""
    loose = {step.at_s for step in make_plan(order(budget=3), NAMES, seed).steps}
    assert {step.at_s for step in make_plan(order(budget=1), NAMES, seed).steps} <= loose


def test_the_rate_is_kept_where_nothing_stands_in_the_way() -> None:
    """1000 minutes at 6/min with short faults: 6000 ± 4·√6000 = 310, less the few that met a full budget."""
    short = [{"kind": "pause", "duration": "100ms"}]
    wanted = order(duration="1000min", rate="6/min", faults=short, budget=100)
    plan = make_plan(wanted, [f"api-{n}" for n in range(100)], 1)
    assert abs(len(plan.steps) - 6000) <= 310
    gaps = [later.at_s - earlier.at_s for earlier, later in zip(plan.steps, plan.steps[1:], strict=False)]
    longer = sum(gap > 10 for gap in gaps) / len(gaps)
    assert longer == pytest.approx(0.368, abs=0.025), "memoryless: e⁻¹ of the gaps exceed the mean"


def test_weights_and_durations_are_used() -> None:
    plan = make_plan(order(duration="5h", rate="10/min", budget=1), NAMES, 3)
    kinds = [step.kind for step in plan.steps]
    assert kinds.count("kill") / len(kinds) == pytest.approx(2 / 3, abs=0.08)
    lengths = [parse_duration(step.duration) for step in plan.steps if step.kind == "pause"]
    assert min(lengths) >= 1
    assert max(lengths) <= 5
    assert max(lengths) - min(lengths) > 3


def test_a_printed_plan_is_an_order_to_do_the_same() -> None:
    plan = make_plan(order(), NAMES, 5)
    again = TypeAdapter(MonkeyBody).validate_python(json.loads(plan.model_dump_json()))
    assert again == plan


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"rate": "6"}, "6/min"),
        ({"rate": "0/s"}, "above 0"),
        ({"faults": []}, "faults"),
        ({"faults": [{"kind": "kill", "duration": "1s", "weight": 0}]}, "weight"),
        ({"targets": {"random": 1}}, "filters only"),
        ({"budget": 0}, "budget"),
        ({"seed": -1}, "seed"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_an_order_cannot_be(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        order(**fields)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"duration": "5"}, "duration"),
        ({"duration": "25h"}, "duration"),
        ({"duration": "24h", "rate": "1/s"}, "10000 faults"),
        ({"faults": [{"kind": "melt", "duration": "1s"}]}, "melt"),
        ({"faults": [{"kind": "kill", "duration": "1h"}]}, "duration"),
        ({"faults": [{"kind": "delay", "duration": "1s"}]}, "params.delay"),
        ({"faults": [{"kind": "kill", "duration": "5s", "up_to": "1s"}]}, "up_to"),
        ({"quiet": [{"begin": "5s", "end": "5s"}]}, "quiet"),
    ],
)
def test_what_the_guard_would_refuse_is_refused_before_it_starts(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadRequestError, match=complaint):
        check_order(order(**fields), 300)


def test_a_bad_step_is_named() -> None:
    plan = make_plan(order(), NAMES, 5)
    plan.steps[1].duration = "1h"
    with pytest.raises(BadRequestError, match=r"steps\.1"):
        check_plan(plan, 300)
