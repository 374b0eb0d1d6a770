"""`lab gate` from end to end, but for the runs themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.cli import app, gate_command
from lab.compare.document import OWN, Comparison, Result
from lab.compare.measures import Measures
from lab.compare.runner import Entry
from lab.scenario.plan import Plan


class Runs:
    """Stands in for the runs: each has `failed` failed requests, and the host is busy for `busy_s`."""

    failed, busy_s = 1, 0.0

    def __call__(
        self,
        comparison: Comparison,
        entries: Sequence[Entry],
        plans: Sequence[Plan],
        repeat: int,
        count_busy: bool,
        folder: Path,
        *_: Any,
    ) -> None:
        comparison.results += [
            Result(
                entry.choice.name,
                OWN,
                plan.scenario,
                number,
                "ok",
                measures=Measures(1600, self.failed, 0, 0, 0.5, 0.3, 0.4),
                host_busy_s=self.busy_s,
            )
            for number in range(repeat)
            for entry in entries
            for plan in plans
        ]
        comparison.write(folder)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    found = Runs()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("LAB_DEBUG", raising=False)
    monkeypatch.setattr(gate_command, "run_enough", found)
    monkeypatch.setattr(gate_command, "write_page", lambda *_: None)
    return found


FILE = Path("lab-baseline.json")


def gate(*arguments: str) -> int:
    return app.run(["gate", *arguments])


def test_update_then_pass_then_fail(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate("reroute", "--update") == 0
    assert "lab-baseline.json is written: reroute in kill, pause." in capsys.readouterr().out
    assert gate() == 0
    assert "reroute is not significantly worse" in " ".join(capsys.readouterr().out.split())
    runs.failed = 40
    assert gate("--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["verdict"] == "fail"
    assert "in kill it loses 39 more requests" in document["paragraph"]
    assert "in pause it loses 39 more requests" in document["paragraph"]
    assert (Path(document["folder"]) / "gate.html").is_file()
    assert "loses 39 more requests" in (Path("results") / "index.html").read_text()


def test_an_update_of_what_is_stored_accepts_what_is_worse(runs: Runs) -> None:
    assert gate("reroute", "--update", "--seed", "5", "--scenarios", "drain") == 0
    runs.failed = 40
    assert gate() == 1
    assert gate("--update") == 0
    stored = json.loads(FILE.read_text())
    assert (stored["seed"], [*stored["scenarios"]], [*stored["entries"]]) == (5, ["drain"], ["reroute"])
    assert stored["runs"]["reroute"]["drain"]["failed"] == [40] * 6
    assert gate() == 0


def test_a_busy_host_has_no_answer_and_writes_no_baseline(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert gate("reroute", "--update") == 0
    before = FILE.read_text()
    runs.busy_s = 4.0
    capsys.readouterr()
    assert gate() == 2
    told = " ".join(capsys.readouterr().out.split())
    assert "reroute in kill cannot be judged: 0 runs count, and 4 are needed" in told
    assert "12 runs do not count (in 12 the host was busy for more than 0.5 s)." in told
    assert gate("--update") == 2
    assert "lab-baseline.json is not written: reroute in kill: 0 of 5 needed runs count" in capsys.readouterr().out
    assert FILE.read_text() == before
    assert gate("--update", "--allow-busy") == 0
    assert gate() == 0


def test_the_result_is_appended_to_the_jobs_summary(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert gate("reroute", "--update") == 0
    assert gate() == 0
    text = (tmp_path / "summary.md").read_text()
    assert text.count("### Gate: pass") == 1
    assert "| kill | reroute | Failed | 1 | 1 | 0 (0 to 0) | 1.0 |  |" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("--baseline other.json", "there is no baseline other.json"),
        ("--seed 6", "--seed 6: lab-baseline.json has numbers of seed 5"),
        ("--scenarios delay", "lab-baseline.json has no numbers of delay"),
        ("--repeat 2", "with 10 comparisons, at least 4 runs of each are needed"),
        ("haproxy --entry x=nginx", "lab-baseline.json has no numbers of haproxy"),
        ("nonsense.cfg", "there is no file"),
        ("--entry x=url:http://127.0.0.1:1", "x: a gate starts what it tests"),
    ],
)
def test_what_does_not_fit_the_baseline_is_refused(
    runs: Runs, capsys: pytest.CaptureFixture[str], arguments: str, told: str
) -> None:
    assert gate("reroute", "--update", "--seed", "5") == 0
    assert gate(*arguments.split()) == 254
    shown = capsys.readouterr().err
    assert told in shown
    assert "next: " in shown
    assert not list(Path("results").glob("*-gate/gate.json"))


def test_a_damaged_baseline_can_be_replaced(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    FILE.write_text("{\n  broken")
    assert gate() == 254
    assert "lab-baseline.json:2: is not JSON" in capsys.readouterr().err
    assert gate("reroute", "--update") == 0
    assert gate() == 0
