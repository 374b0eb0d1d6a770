from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app, doctor_command
from lab.doctor.findings import Finding, good, less, missing
from lab.errors import EnvironmentProblemError
from tests.support import report_samples as samples


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lab runs here, and signal handlers stay the test runner's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.delenv("LAB_DEBUG", raising=False)


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "run",
        "run nonsense",
        "run kill --runtime moon",
        "run kill --seed x",
        "run kill --seed -1",
        "run kill --no-such-option",
        "run kill --balancer-cmd no-such-program",
        "run kill --balancer-cmd 'true",
        "run kill --balancer-cmd true --runtime docker",
        "validate nonsense.yaml",
        "report nonsense",
        "faults",
        "faults heal",
        "faults heal some-id --all",
        "faults inject kill api-1",
        "faults inject delay api-1 --duration 1s --param delay",
        "faults inject kill --duration 1s",
        "faults inject kill api-1 --duration 1s --stop-when nonsense",
        "faults inject kill --random 0 --duration 1s",
        "faults monkey",
        "faults monkey start --duration 1min --rate 6/min",
        "faults monkey start --duration 1min --rate 6/min --fault kill",
        "faults monkey plan --duration 1min --rate 6/min --fault kill:1s --quiet 5s",
        "faults monkey replay nonsense.json",
        "faults monkey stop",
        "status --runtime moon",
        "gate",
        "gate --baseline nonsense.json",
        "gate nonsense.cfg --update",
        "gate reroute --update --scenarios nonsense",
        "gate reroute --update --repeat 0",
        "gate reroute --update --repeat 2",
        "gate reroute --update --baseline no-such-folder/gate.json",
        "gate reroute --update --runtime moon",
        "gate --update",
        "gate --update --entry nonsense",
        "gate --update --entry x=url:http://127.0.0.1:1",
        "gate reroute reroute --update",
        "results --results nonsense",
        "results --html --json",
        "results --last 0",
    ],
)
def test_bad_arguments_exit_254_with_a_line_and_a_next_step(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(line.split()) == 254
    shown = capsys.readouterr()
    if not line.startswith("validate"):
        assert shown.err.startswith("lab: ")
        assert "next: " in shown.err
    assert "Traceback" not in shown.err + shown.out


def test_a_misspelt_scenario_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["run", "kil"]) == 254
    assert "did you mean kill" in capsys.readouterr().err


def test_with_json_an_error_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["run", "nonsense", "--json"]) == 254
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 254
    assert "nonsense" in document["error"]


def test_what_the_environment_lacks_exits_255(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> list[Finding]:
        raise EnvironmentProblemError("the disk is on fire", "put it out", ("smoke", "flames"))

    monkeypatch.setattr(doctor_command, "examine", broken)
    assert app.run(["doctor"]) == 255
    assert capsys.readouterr().err.splitlines() == [
        "lab: the disk is on fire",
        "    smoke",
        "    flames",
        "  next: put it out",
    ]


def test_a_defect_of_ours_is_one_line_unless_debugging(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def defective() -> list[Finding]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(doctor_command, "examine", defective)
    assert app.run(["doctor"]) == 255
    assert "internal error: ZeroDivisionError: oops" in capsys.readouterr().err
    monkeypatch.setenv("LAB_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        app.run(["doctor"])


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run([]) == 0
    assert "254 bad arguments" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([good("Python", "3.13")], 0),
        ([less("netem", "none", "uses nfqueue")], 0),
        ([missing("Docker engine", "none", "…", "…", ("docker",))], 0),
        (
            [
                missing("Docker engine", "none", "…", "…", ("docker", "attached")),
                missing("packages", "none", "…", "…", ("local",)),
            ],
            255,
        ),
    ],
)
def test_doctor_fails_only_where_no_runtime_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], findings: list[Finding], code: int
) -> None:
    monkeypatch.setattr(doctor_command, "examine", lambda: findings)
    assert app.run(["doctor", "--json"]) == code
    assert len(json.loads(capsys.readouterr().out)["findings"]) == len(findings)


def test_valid_and_invalid_scenarios_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\ntitel: typo\n")
    assert app.run(["validate", "kill", str(broken), "--json"]) == 254
    verdicts = json.loads(capsys.readouterr().out)["files"]
    assert [verdict["valid"] for verdict in verdicts] == [True, False]
    assert any("broken.yaml:2:" in problem for problem in verdicts[1]["problems"])


def test_a_folder_that_is_no_runs_is_refused_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    assert app.run(["report", str(folder)]) == 254
    said = capsys.readouterr().err
    assert "is not the folder of a run" in said
    assert "next: " in said
    assert list(folder.iterdir()) == []


def test_a_report_on_damaged_evidence_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = samples.passing(tmp_path / "run")
    assert app.run(["report", str(folder)]) == 0
    (folder / "history.jsonl").unlink()
    capsys.readouterr()
    assert app.run(["report", str(folder)]) == 2
    assert "unknown: history.jsonl is missing" in " ".join(capsys.readouterr().out.split())
    assert app.run(["report", str(folder), "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "unknown"
    assert document["problems"]


def test_a_run_as_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["report", str(samples.failing(tmp_path / "run")), "--markdown"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("| Scenario | Verdict |")
    assert "| ✗ fail |" in told
    assert app.run(["report", str(samples.interrupted(tmp_path / "cut")), "--markdown"]) == 2
    assert "history.jsonl line" in capsys.readouterr().out
    assert app.run(["report", str(tmp_path / "run"), "--markdown", "--json"]) == 254
