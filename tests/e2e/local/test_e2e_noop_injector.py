"""An injector that does nothing: every scenario of the library is unknown, none passes and none fails.

What finds out is the chaos service's own verification, which asks the backend and not the injector. The scenarios are
run in fast motion: what matters is that the fault is asked for, and what the verdict makes of its absence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.faults import FAULTS
from lab.evidence.verdict import Verdict
from lab.run.experiment import run_experiment
from lab.runtime import local_lab
from lab.scenario.file_reader import load_scenario
from lab.scenario.library import find, names
from lab.scenario.plan import Plan
from lab.scenario.planner import make_plan
from lab.services.endpoints import Endpoints
from tests.e2e.conftest import spare_ports


def planned(scenario: str) -> Plan:
    return make_plan(load_scenario(find(scenario)), scenario, seed=1)


IMPOSSIBLE = {kind for kind, fault in FAULTS.items() if not fault.support.on("local")}
LIBRARY = [name for name in names() if name not in IMPOSSIBLE and any(step.fault for step in planned(name).steps)]
"""Without those that plain processes refuse before any traffic, and those that inject nothing: draining, scaling and
the like are no faults, and go another way."""
LONGEST_STEP_S = 0.5


@pytest.fixture(scope="module")
def powerless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in spare_ports().items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
        patch.setenv("LAB_PASS_ENV", "PYTHONPATH")
        patch.setattr(local_lab, "SUPERVISOR", "tests.support.noop_supervisor")
        with local_lab.LocalRuntime(tmp_path_factory.mktemp("noop")).borrow(lambda text: None) as endpoints:
            yield endpoints


def hurried(plan: Plan) -> Plan:
    """The same steps, one after the other as planned, in a fraction of the time."""
    begin = 0.8
    span_s = max(step.at_s for step in plan.steps) - plan.faults_start_s
    scale = min(1.0, 1.0 / span_s) if span_s else 1.0
    steps = tuple(
        replace(
            step,
            at_s=round(begin + (step.at_s - plan.faults_start_s) * scale, 6),
            duration_s=min(step.duration_s, LONGEST_STEP_S),
        )
        for step in plan.steps
    )
    load = replace(plan.load, rate=min(plan.load.rate, 100.0))
    return replace(plan, load=load, warm_up_s=0.2, steady_s=0.6, steps=steps, settle_s=0.1, settle_limit_s=5.0)


@pytest.mark.parametrize("scenario", LIBRARY)
def test_nothing_was_injected_and_nothing_is_concluded(powerless: Endpoints, scenario: str, tmp_path: Path) -> None:
    plan = hurried(planned(scenario))
    verdict = asyncio.run(run_experiment(plan, powerless, tmp_path))
    checks = {check.name: check for check in verdict.checks}
    assert verdict.verdict is Verdict.UNKNOWN, verdict.to_json()
    assert checks["fault_bit"].verdict is Verdict.UNKNOWN
    assert (
        "was not seen to take effect" in checks["fault_bit"].detail or "was not injected" in checks["fault_bit"].detail
    )
