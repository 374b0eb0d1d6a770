"""`lab tune` with real programs: what is proposed is what runs measure, for the original and for the tuned file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300)]
CORPUS = Path(__file__).parents[2] / "corpus"
FILES = {"haproxy": CORPUS / "haproxy" / "debian-app.cfg", "nginx": CORPUS / "nginx" / "simple" / "nginx.conf"}


def tune(folder: Path, program: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    if isinstance(found := ADAPTERS[program].find(), Missing):
        pytest.skip(f"{program} is not installed: {found.install}")
    command = [sys.executable, "-m", "reroute_lab.lab", "tune", str(FILES[program]), "--json", "--seed", "3"]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("program", list(FILES))
def test_a_goal_that_is_met_by_the_model_is_met_by_runs(program: str, tmp_path: Path) -> None:
    goal = ("--goal", "pause: reroute <= 1500ms", "--limit", "checks <= 5/s a backend")
    code, document = tune(tmp_path, program, *goal, "--outage", "5s", "--repeat", "1", "--write", "tune.diff")
    assert document["checked"] == f"{program} accepts the changed files"
    measured = document["measured"]
    (found,) = measured["goals"]
    assert (code, found["met"]) == (0, True), measured
    assert max(found["values"]) <= 1.5
    comparison = json.loads((tmp_path / measured["folder"] / "compare.json").read_text())
    before = [
        each["measures"]["reroute_s"]
        for each in comparison["results"]
        if each["balancer"] == "original" and each["status"] == "ok"
    ]
    assert all(each > 1.5 for each in before)  # the file as it was does not meet the goal
    assert (tmp_path / "tune.diff").read_text() == document["patch"]


def test_a_goal_that_cannot_be_met_is_exit_code_1_with_the_best(tmp_path: Path) -> None:
    code, document = tune(tmp_path, "nginx", "--goal", "pause: reroute <= 300ms", "--outage", "5s", "--no-verify")
    assert code == 1
    (missed,) = document["missed"]
    assert missed["value"] == pytest.approx(1.065)
    assert any("nginx has no active checks" in line for line in missed["why"])
    assert "measured" not in document
