from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.errors import BadArgumentsError
from lab.evidence.results import new_run_dir
from lab.evidence.verdict import RunVerdict, Verdict, worst
from lab.judge.judge import judge, judge_folder
from tests.support.lab_plans import plan
from tests.support.lab_records import fault_event, request, run, via


def test_verdicts_compose_to_the_worst_and_silence_is_no_evidence() -> None:
    assert worst([Verdict.PASS, Verdict.UNKNOWN, Verdict.PASS]) is Verdict.UNKNOWN
    assert worst([Verdict.FAIL, Verdict.UNKNOWN]) is Verdict.FAIL
    assert worst([Verdict.PASS]) is Verdict.PASS
    assert worst([]) is Verdict.UNKNOWN
    assert [verdict.exit_code for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN)] == [0, 1, 2]


def test_a_verdict_survives_its_file(tmp_path: Path) -> None:
    verdict = judge(run(fault_event(), request(3.1, "fail", **via("api-1"))))
    assert len(verdict.attributions) == 1
    verdict.write(tmp_path)
    assert RunVerdict.from_json((tmp_path / "verdict.json").read_text()) == verdict


def test_what_is_not_asserted_passes_and_says_so_in_the_file() -> None:
    verdict = judge(run(fault_event(), request(3.1)))
    unasked = {check.name: check.verdict for check in verdict.checks if not check.asserted}
    assert {"stickiness", "distribution", "latency", "answered", "budgets"} <= {*unasked}
    assert {*unasked.values()} == {Verdict.PASS}
    told = json.loads(verdict.to_json())
    assert {check["name"] for check in told["checks"] if not check["asserted"]} == {*unasked}


def test_a_verdict_of_before_that_is_read_as_asserted() -> None:
    told = json.loads(judge(run(fault_event(), request(3.1))).to_json())
    for check in told["checks"]:
        del check["asserted"]
    assert all(check.asserted for check in RunVerdict.from_json(json.dumps(told)).checks)


@pytest.mark.parametrize("text", ['{"schema": 99}', '{"schema": 1}'])
def test_another_schema_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"verdict\.json"):
        RunVerdict.from_json(text)


def test_a_folder_with_nothing_but_a_plan_is_unknown(tmp_path: Path) -> None:
    plan().write(tmp_path)
    assert judge_folder(tmp_path).verdict is Verdict.UNKNOWN
    assert (tmp_path / "verdict.json").exists()


def test_a_folder_without_a_plan_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="not the folder of a run"):
        judge_folder(tmp_path)


def test_run_folders_are_distinct_and_latest_follows(tmp_path: Path) -> None:
    first, second = new_run_dir(tmp_path, "kill"), new_run_dir(tmp_path, "My Scenario!")
    assert first != second
    assert "-my-scenario-" in second.name
    assert (tmp_path / "latest").resolve() == second
