"""`lab scenarios` and `lab faults kinds`: what the lab has, without a running lab."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app
from lab.scenario.fault_kinds import built_in
from lab.scenario.library import FOLDER, names


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signal handlers stay the test runner's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert app.run(words) == 0
    return capsys.readouterr().out


def test_every_scenario_is_listed_with_what_it_proves(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "scenarios").splitlines()
    headings = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[0] for line in headings] == names()
    at = lines.index(next(line for line in headings if line.startswith("corrupt ")))
    assert lines[at : at + 3] == [
        f"{'corrupt':<{max(map(len, names()))}}  A tenth of the packets from a backend arrives corrupted",
        "    no request fails",
        "    corrupt · 4–19 s · needs --runtime docker",
    ]


def test_a_scenario_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "scenarios", "corrupt")
    assert "One bit of each of these packets is flipped." in text
    assert "   1.500 s  corrupt on the first free backend for 2 s (corrupt 10%)\n" in text
    assert "    no request fails\n    every bad request is explained by a fault\n" in text
    assert text.endswith("  next: lab run corrupt --runtime docker\n\n")


def test_scenarios_as_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    [kill, own] = json.loads(shown(capsys, "scenarios", "kill", str(FOLDER / "scale.yaml"), "--json"))["scenarios"]
    assert kill["faults"] == ["kill"]
    assert kill["proves"][0] == "rerouted and readmitted within the bound"
    assert kill["takes_s"] == {"least": 8.0, "most": 23.0}
    assert (own["name"], own["actions"], own["needs"]) == ("scale", ["scale"], ["control of the runtime"])


def test_a_misspelt_scenario_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["scenarios", "kil"]) == 254
    assert "did you mean kill" in capsys.readouterr().err


def test_every_kind_of_fault_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "faults", "kinds").splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [*built_in().kinds]
    assert "    --param delay*, peer, port, direction, mechanism, correlation, jitter, distribution" in lines


def test_a_kind_in_full(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = shown(capsys, "faults", "kinds", "cpu")
    assert "local: not possible; it lacks a cgroup for each process" in text
    [row] = [line for line in text.splitlines() if line.startswith("cpu  ")]
    assert "in %, at least 1% and at most 100%" in row
    assert "required" in row
    assert "Share of one CPU that the target may use." in row
    assert "next: lab faults inject cpu api-1 --duration 5s --param cpu=10%" in text


def test_the_help_of_an_injection_has_every_parameter_of_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(shown(capsys, "faults", "inject", "--help").partition("Parameters of each KIND:")[2].split())
    assert "delay, slow: delay in us, ms, s, min, m or h, above 0s and at most 60s; required" in text
    assert "loss: recovery in %, above 0% and at most 100%; default 25%" in text
    for fault in built_in().kinds.values():
        for name in fault.parameters:
            assert f": {name} " in text


def test_kinds_as_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = json.loads(shown(capsys, "faults", "kinds", "--json"))["kinds"]
    assert list(kinds) == list(built_in().kinds)
    assert kinds["delay"]["required"] == ["delay"]
    assert kinds["delay"]["parameters"]["delay"]["maximum"] == 60


def test_a_misspelt_kind_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["faults", "kinds", "dely"]) == 254
    said = capsys.readouterr().err
    assert "dely is not a known fault (did you mean delay?)" in said
    assert "next: lab faults kinds" in said
