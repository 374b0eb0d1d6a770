"""Reading a run's folder, whole or damaged, and telling it in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.evidence.events import Event, Events
from lab.evidence.history import Outcome, Request
from lab.evidence.verdict import FaultResult, Verdict
from lab.report import sentences
from lab.report.run_files import OutcomeClass, Run, load
from tests.support import report_samples as samples
from tests.support.lab_records import whole_request


def test_a_complete_run_has_no_problems(tmp_path: Path) -> None:
    run = load(samples.passing(tmp_path))
    assert run.problems == []
    assert run.final_verdict is Verdict.PASS
    assert len(run.requests) == 2000


def test_a_torn_history_is_read_up_to_the_tear_and_said(tmp_path: Path) -> None:
    run = load(samples.torn(tmp_path))
    assert run.problems == ["history.jsonl line 3158 is incomplete."]
    assert 1000 < len(run.requests) < 2000
    assert run.classify(run.requests[-1]) is OutcomeClass.UNKNOWN


def test_an_interrupted_run_is_unknown_and_its_faults_come_from_the_chaos_service(tmp_path: Path) -> None:
    run = load(samples.interrupted(tmp_path))
    assert run.final_verdict is Verdict.UNKNOWN
    assert "verdict.json is missing: the run ended before it was written." in run.problems
    (fault,) = run.faults
    assert (fault.kind, fault.target, fault.injected_at, fault.healed_at) == ("pause", "api-2", 3.0, None)


def test_an_interruption_that_the_lab_noted_is_repeated(tmp_path: Path) -> None:
    with (samples.interrupted(tmp_path) / "events.jsonl").open("a") as file:
        file.write(Event(6.0, "lab", "interrupted", {"reason": "it was cancelled"}).to_line())
    assert "The run was interrupted: it was cancelled." in load(tmp_path).problems


@pytest.mark.parametrize("name", ["plan.json", "history.jsonl", "events.jsonl", "verdict.json"])
def test_each_file_may_be_missing_or_garbage(tmp_path: Path, name: str) -> None:
    samples.passing(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\x00{not json")
    assert any(name in problem for problem in load(tmp_path).problems)
    (tmp_path / name).unlink()
    assert any(name in problem and "missing" in problem for problem in load(tmp_path).problems)


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not the folder of a run"):
        load(tmp_path / "nowhere")


def test_slow_is_what_the_plan_calls_slow(tmp_path: Path) -> None:
    run = load(samples.passing(tmp_path))
    late = whole_request(1, 1.0, 1.0, "GET", "/", outcome=Outcome.OK, ended=1.0 + samples.SLOW_S + 0.01)
    assert run.classify(late) is OutcomeClass.SLOW
    late.ended = 1.0 + samples.SLOW_S - 0.01
    assert run.classify(late) is OutcomeClass.OK


def test_replicas_go_by_their_targets_name_not_by_address_or_container_id(tmp_path: Path) -> None:
    targets = Event(0.0, "lab", "targets", {"targets": {"api-1": {"instance": "4f2c", "backends": ["10.0.0.7:8000"]}}})
    history, events = samples.pausing_run()
    for line in history:
        if line.get("backend") == "api-1":
            line["backend"], line["instance"], line["tried"] = "10.0.0.7:8000", "4f2c", ["10.0.0.7:8000"]
    samples.write_run(tmp_path, history, events, None)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write(targets.to_line())
    run = load(tmp_path)
    assert {run.lane(r) for r in run.requests} == {"api-1", "api-2", "api-3"}


def test_a_request_belongs_to_who_answered_else_to_who_was_tried_last() -> None:
    run = Run()
    assert run.lane(whole_request(1, 0, 0, "GET", "/", backend="b", tried=("a", "b"))) == "b"
    assert run.also_tried(whole_request(1, 0, 0, "GET", "/", backend="b", tried=("a", "b"))) == ["a"]
    assert run.lane(whole_request(1, 0, 0, "GET", "/", tried=("a", "b"))) == "b"
    assert run.lane(Request(1, 0, 0, "GET", "/")) == ""


def test_the_headline_tells_the_run_in_one_sentence(tmp_path: Path) -> None:
    assert sentences.headline(load(samples.passing(tmp_path))) == (
        "api-2 was paused for 4.0 s; the balancer stopped sending it traffic after 0.08 s (bound 1.52 s) "
        "and readmitted it 0.61 s after it healed (bound 0.95 s)."
    )


def test_the_verdict_names_the_checks_that_made_it(tmp_path: Path) -> None:
    assert sentences.meaning(load(samples.passing(tmp_path / "a"))) == "Every check passed."
    failed = sentences.meaning(load(samples.failing(tmp_path / "b")))
    assert failed == "Not every check passed. Failed: reroute_within_bound, idempotent_ok."
    assert "Undecided: completeness." in sentences.meaning(load(samples.torn(tmp_path / "c")))
    assert sentences.meaning(Run()).endswith("never counts as passed.")


FAULT = FaultResult("kill", "api-1", "SIGKILL", 3.0, 7.0, True, 0.0, 1.5, None, 2.0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (FAULT, "stopped sending it traffic at once (bound 1.50 s) and was not seen to readmit it (bound 2.00 s)."),
        (replace(FAULT, bit=False), "api-1 was killed for 4.0 s (but the fault had no measurable effect);"),
        (replace(FAULT, injected_at=None), "kill on api-1 was never injected."),
        (replace(FAULT, reroute_s=None), "when the balancer stopped sending it traffic is not known"),
        (replace(FAULT, kind="bandwidth"), "api-1 had its bandwidth limited for 4.0 s"),
        (replace(FAULT, kind="unheard-of"), "api-1 was under the fault “unheard-of” for 4.0 s"),
    ],
)
def test_the_headline_says_what_is_not_known_too(fault: FaultResult, expected: str) -> None:
    assert expected in sentences.headline(Run(faults=(fault,)))


def test_durations_keep_the_digits_that_matter() -> None:
    assert [sentences.seconds(v) for v in (None, 0.084, 12.34)] == ["–", "0.08 s", "12.3 s"]
    assert [sentences.milliseconds(v) for v in (None, 0.0031, 0.25, 3.9751)] == ["–", "3.1 ms", "250 ms", "3,975 ms"]


def test_the_end_covers_events_after_the_last_request() -> None:
    assert Run(events=Events((Event(12.5, "lb", "transition", {}),))).end == 12.5
    assert Run().end == 1.0


@pytest.mark.parametrize("name", ["plan.json", "history.jsonl", "events.jsonl"])
@pytest.mark.parametrize("content", [None, b"\xff\x00{not json", b""])
def test_a_pass_whose_evidence_is_gone_is_unknown(tmp_path: Path, name: str, content: bytes | None) -> None:
    samples.passing(tmp_path)
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    run = load(tmp_path)
    assert run.final_verdict is Verdict.UNKNOWN
    assert run.checks[0].name == "record"
    assert name in run.checks[0].detail
    assert sentences.meaning(run).endswith("Undecided: record.")


def test_a_history_cut_between_two_lines_is_noticed(tmp_path: Path) -> None:
    lines = (samples.passing(tmp_path) / "history.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "history.jsonl").write_text("".join(lines[:-40]))
    run = load(tmp_path)
    assert run.final_verdict is Verdict.UNKNOWN
    assert "history.jsonl is cut short" in run.problems[0]


def test_a_fail_stays_a_fail_but_its_missing_evidence_is_said(tmp_path: Path) -> None:
    (samples.failing(tmp_path) / "events.jsonl").unlink()
    run = load(tmp_path)
    assert run.final_verdict is Verdict.FAIL
    assert [check.name for check in run.checks if check.verdict is Verdict.UNKNOWN] == ["record"]


@pytest.mark.parametrize("text", ["[]", "1", "{}"])
def test_a_verdict_of_another_shape_is_none(tmp_path: Path, text: str) -> None:
    (samples.passing(tmp_path) / "verdict.json").write_text(text)
    assert load(tmp_path).final_verdict is Verdict.UNKNOWN


def test_a_folder_without_anything_of_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not the folder of a run"):
        load(tmp_path)
