"""How plans are adapted to an attached project, and limits in seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.evidence.verdict import Verdict
from lab.judge.checkers import reroute_within_bound
from lab.runtime.attached.adapted_plan import adapted
from lab.runtime.attached.lab_file import LabFile, parse_lab_file
from lab.scenario.file_reader import load_scenario, parse_scenario
from lab.scenario.library import find
from lab.scenario.model_file import ModelFileError
from lab.scenario.plan import Plan
from lab.scenario.planner import make_plan
from tests.support.lab_plans import plan
from tests.support.lab_records import READMIT_BOUND, bounds, fault_event, request, run, via
from tests.unit.lab.runtime.test_attached_lab_file import WHOLE

BOUNDS = ({"fault": "kill", "reroute_s": 1.0, "readmit_s": None},)


def library_plan(name: str) -> Plan:
    return make_plan(load_scenario(find(name)), name, 7)


def lab_file(extra: str = "", old: str = "", new: str = "") -> LabFile:
    return parse_lab_file(WHOLE.replace(old, new) + extra if old else WHOLE + extra, Path("x.yaml")).content


def test_the_librarys_requests_become_those_of_the_lab_file() -> None:
    ours = adapted(library_plan("kill"), lab_file("rate: 20/s\n"), ())
    assert [(each.method, each.path) for each in ours.load.mix] == [("GET", "/"), ("GET", "/prices")]
    assert ours.load.rate == 20.0
    assert Plan.from_json(ours.to_json()) == ours


def test_a_scenario_of_the_users_own_keeps_its_requests() -> None:
    given = library_plan("kill")
    own = replace(given, load=replace(given.load, mix=(replace(given.load.mix[0], path="/cart", share=1.0),)))
    assert adapted(own, lab_file(), ()).load.mix == own.load.mix


def test_a_request_of_the_users_own_keeps_a_path_that_our_backends_have_too() -> None:
    mix = "mix: [{request: GET /jobs, share: 100%, status: 200}]"
    own = make_plan(parse_scenario(SCENARIO.replace("mix: [{request: GET /, share: 100%}]", mix), "x.yaml"), "own", 1)
    assert [each.path for each in adapted(own, lab_file(), ()).load.mix] == ["/jobs"]


@pytest.mark.parametrize(
    ("expected", "has_bounds", "reroute"),
    [("{reroute: 2s}", False, "2s"), ("{reroute: 2s}", True, "2s"), ("{}", True, "within_bound"), ("{}", False, None)],
)
def test_a_bound_that_nobody_knows_is_not_asserted(expected: str, has_bounds: bool, reroute: str | None) -> None:
    content = lab_file(old="{reroute: 2s, idempotent_failures: 3}", new=expected)
    assert adapted(library_plan("kill"), content, BOUNDS if has_bounds else ()).expect["reroute"] == reroute


def test_a_fault_without_a_bound_makes_the_limit_not_asserted() -> None:
    content = lab_file(old="{reroute: 2s, idempotent_failures: 3}", new="{}")
    assert adapted(library_plan("kill"), content, BOUNDS).expect["readmit"] is None
    assert adapted(library_plan("pause"), content, BOUNDS).expect["reroute"] is None


def test_the_name_of_one_of_our_own_backends_becomes_a_rank() -> None:
    given = library_plan("kill")
    named = replace(given, steps=(replace(given.steps[0], target="api-2"),))
    ours = adapted(named, lab_file(), ()).steps[0]
    assert ours.choose(["web-1", "web-2", "web-3"]) == "web-2"
    theirs = replace(given, steps=(replace(given.steps[0], target="web-2"),))
    assert adapted(theirs, lab_file(), ()).steps[0].target == "web-2"


def test_what_only_a_ledger_or_the_admin_api_shows_is_not_asserted() -> None:
    expect = adapted(library_plan("kill"), lab_file(), ()).expect
    assert [expect[name] for name in ("lost", "duplicated", "zombie", "distribution", "ejected")] == [None] * 5
    assert expect["idempotent_failures"] == 3


def test_the_run_waits_for_a_readmission_as_late_as_permitted() -> None:
    late = lab_file(old="{reroute: 2s, idempotent_failures: 3}", new="{readmit: 40s}")
    assert adapted(library_plan("kill"), late, ()).settle_limit_s == 45.0


SCENARIO = """\
version: 1
title: A kill
load: {rate: 10/s, mix: [{request: GET /, share: 100%}]}
steps: [{fault: kill, duration: 2s}]
expect: {reroute: 750ms, readmit: within_bound}
"""


def test_a_limit_in_seconds_replaces_the_bound() -> None:
    limited = replace(plan(), expect={**plan().expect, "reroute": "750ms"})
    facts = [fault_event(), request(3.5, "fail", **via("api-1"))]
    judged = run(*facts, wanted=limited)
    assert judged.bounds["pause"].reroute_s == 0.75
    assert judged.bounds["pause"].readmit_s == READMIT_BOUND
    check = reroute_within_bound.check(judged)
    assert check.verdict is Verdict.PASS
    assert "bound 0.750 s (the scenario's limit)" in check.detail
    late = run(*facts, request(3.9, "fail", **via("api-1")), wanted=limited)
    assert reroute_within_bound.check(late).verdict is Verdict.FAIL


def test_a_limit_in_seconds_needs_no_bound_of_the_balancer() -> None:
    limited = replace(plan(), expect={**plan().expect, "reroute": "2s"})
    judged = run(fault_event(), bounds("kill"), request(3.5, "fail", **via("api-1")), wanted=limited)
    assert reroute_within_bound.check(judged).verdict is Verdict.PASS


@pytest.mark.parametrize("wrong", ["2", "0s", "soon", "-1s", "[]"])
def test_a_limit_is_within_bound_or_a_duration(wrong: str) -> None:
    with pytest.raises(ModelFileError, match="expected within_bound or a duration above 0 such as 2s"):
        parse_scenario(SCENARIO.replace("750ms", wrong), "x.yaml")
