"""Runs with a balancer and an application that are not the lab's: how backends are named, or that they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.evidence.history import Outcome, read_history
from lab.evidence.record import load_run
from lab.evidence.verdict import RunVerdict
from lab.report.run_files import load as load_report
from lab.run import preflight
from lab.run.experiment import run_experiment
from lab.scenario.plan import Plan, PlannedExchange, PlannedRequest
from lab.services.endpoints import Endpoints
from lab.services.identification import Identification
from tests.integration.test_lab_experiment_run import detail, short_plan
from tests.support.lab_fakes import FakeLab, fake_lab
from tests.support.lab_plans import load

GENERIC = PlannedRequest("GET", "/any", 1.0, 0, PlannedExchange())
EXPECT = {"reroute": "within_bound", "readmit": "within_bound", "sticky": "kept", "distribution": "policy"}


def generic_plan(**changes: object) -> Plan:
    traffic = load(rate=100.0, patience_s=1.0, slow_s=0.1, mix=(GENERIC,))
    return short_plan(**{"load": traffic, "expect": {}, **changes})


def opaque(endpoints: Endpoints, how: str, **changes: object) -> Endpoints:
    changes = {"question": "/any", **changes}
    return replace(endpoints, admin="", identification=Identification.parse(how), **changes)  # type: ignore[arg-type]


def not_asserted(verdict: RunVerdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.asserted}


Headers = Callable[[str], dict[str, str]]


@pytest.mark.parametrize(
    ("how", "headers", "names"),
    [
        ("header:X-Served-By", lambda name: {"X-Served-By": name}, {}),
        ("cookie:SERVERID", lambda name: {"Set-Cookie": f"SERVERID={name}; Path=/"}, {}),
        ("json:/by", lambda name: {}, {}),
        ("header:X-Color", lambda name: {"X-Color": name[::-1]}, {f"{n}-ipa": f"api-{n}" for n in (1, 2, 3)}),
    ],
)  # fmt: skip
async def test_each_way_to_name_a_backend_is_understood(
    how: str, headers: Headers, names: dict[str, str], tmp_path: Path
) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = headers
        verdict = await run_experiment(generic_plan(), opaque(endpoints, how, names=names), tmp_path)
    record = load_run(tmp_path)
    assert {each.instance for each in record.measured} == {"api-1", "api-2", "api-3"}
    assert {each.backend for each in record.measured} == {None}
    assert detail(verdict, "not_vacuous").startswith("every backend served before the first fault; ")
    assert verdict.faults[0].readmit_s is not None
    report = load_report(tmp_path)
    assert {report.lane(request) for request in report.requests} == {"api-1", "api-2", "api-3"}


async def test_the_history_keeps_what_was_received(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = lambda name: {"X-Color": name[-1]}
        names = {str(n): f"api-{n}" for n in (1, 2, 3)}
        await run_experiment(generic_plan(), opaque(endpoints, "header:X-Color", names=names), tmp_path)
    assert {each.instance for each in read_history(tmp_path / "history.jsonl").requests} == {"1", "2", "3"}


async def test_without_names_nothing_about_backends_is_asserted_and_faults_still_explain(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = lambda name: {}
        verdict = await run_experiment(generic_plan(expect=EXPECT), opaque(endpoints, "none"), tmp_path)
    about_backends = {"reroute_within_bound", "readmit_within_bound", "stickiness", "distribution", "not_vacuous"}
    assert about_backends <= not_asserted(verdict)
    assert {each.instance for each in load_run(tmp_path).measured} == {None}
    assert (verdict.faults[0].reroute_s, verdict.faults[0].readmit_s) == (None, None)
    assert 0 in {each.fault for each in verdict.attributions}, "the first requests to the paused backend were slow"
    assert {each.backend for each in verdict.attributions} == {""}
    assert "do not say which backend gave them, so a fault explains" in detail(verdict, "attribution")


async def test_a_bad_request_that_overlaps_no_fault_fails_the_run_without_names_too(tmp_path: Path) -> None:
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = lambda name: {}
        missing = replace(GENERIC, exchange=PlannedExchange(contains="nothing of this"))
        wanted = generic_plan(load=load(rate=50.0, mix=(missing,)))
        verdict = await run_experiment(wanted, opaque(endpoints, "none"), tmp_path)
    assert verdict.requests.failed == verdict.requests.total
    assert "Unexplained: " in detail(verdict, "attribution")
    assert {each.outcome for each in load_run(tmp_path).measured} == {Outcome.FAIL}


@pytest.mark.parametrize(
    ("how", "headers", "says"),
    [
        ("header:X-Color", lambda name: {"X-Color": "green"}, "header:X-Color names green, which is no target"),
        ("header:X-Color", lambda name: {}, "the answers have no header:X-Color"),
        ("json:/nowhere", lambda name: {}, "the answers have no json:/nowhere"),
    ],
)
async def test_names_that_are_missing_or_match_no_target_are_reported_before_the_run(
    how: str, headers: Headers, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "READY_WITHIN_S", 0.5)
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = headers
        with pytest.raises(EnvironmentProblemError, match=says):
            await run_experiment(generic_plan(), opaque(endpoints, how), tmp_path)


def _nobody_up(lab: FakeLab) -> None:
    for each in lab.replicas.values():
        each.state = "down"


async def test_a_balancer_that_forwards_nothing_is_not_ready_without_names_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "READY_WITHIN_S", 0.5)
    async with fake_lab() as (lab, endpoints):
        lab.names_backends = lambda name: {}
        _nobody_up(lab)
        with pytest.raises(EnvironmentProblemError, match=r"api-1 is unseen.*GET .*/any: status 503"):
            await run_experiment(generic_plan(), opaque(endpoints, "none"), tmp_path)
        accepted = opaque(endpoints, "none", question_statuses=("5xx",))
        await run_experiment(generic_plan(steps=()), accepted, tmp_path)
