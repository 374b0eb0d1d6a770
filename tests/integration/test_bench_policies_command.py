"""`lab bench policies` with the real simulator as its child process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.bench.policies import Wanted, names, run
from lab.bench.policies.bench_record import Cell, Document
from lab.bench.policies.simulator import Simulator
from lab.errors import BadArgumentsError, EnvironmentProblemError

SHORT = Wanted(("slow",), ("random", "p2c"), seeds=1, scale=0.02)


def test_every_finding_is_told_when_it_is_made_and_kept() -> None:
    heard: list[Document] = []
    found = run(SHORT, heard.append)
    assert [scenario.scenario for scenario in found.scenarios] == ["slow"]
    assert {cell.policy for cell in found.cells} == {"random", "p2c"}
    assert sum(isinstance(each, Cell) for each in heard) == 2
    assert {cost.policy for cost in found.cost} == {"random", "p2c"}
    assert found.disruption == ()


def test_all_names_of_the_balancer_are_known_here() -> None:
    scenarios, policies = names()
    assert {"homogeneous", "slow", "paused", "slow_start"} <= set(scenarios)
    assert {"round_robin", "maglev"} <= set(policies)


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [(Wanted(("sunny",)), "unknown scenario 'sunny'"), (Wanted((), ("fastest",)), "unknown policy 'fastest'")],
)
def test_unknown_names_are_refused_with_the_known_ones(wanted: Wanted, complaint: str) -> None:
    with pytest.raises(BadArgumentsError, match=complaint) as refused:
        run(wanted)
    assert refused.value.next_step.startswith("one of: ")


def test_what_the_simulator_refuses_is_a_bad_argument_here() -> None:
    with Simulator() as simulator, pytest.raises(BadArgumentsError, match="'0' is not a whole number"):
        list(simulator.documents("run", "--seeds", "0"))


def test_leaving_ends_a_simulation_that_still_runs() -> None:
    with Simulator() as simulator:
        documents = simulator.documents("run", "--seeds", "100")
        next(documents)
        [child] = simulator._running
    assert child.wait(timeout=10) != 0
    assert list(documents) == []
    with pytest.raises(EnvironmentProblemError, match="stopped"):
        list(simulator.documents("keys"))


def test_the_command_prints_one_json_document_and_writes_its_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reroute_lab.lab", "bench", "policies", "--scenario", "slow", "--policy", "random"]
    command += ["--seeds", "1", "--scale", "0.02", "--out", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    document = json.loads(done.stdout)
    assert document["kind"] == "bench-policies"
    assert document == json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert (tmp_path / "report.html").stat().st_size > 10_000


def test_an_unknown_scenario_is_one_line_and_exit_254() -> None:
    command = [sys.executable, "-m", "reroute_lab.lab", "bench", "policies", "--scenario", "sunny"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 254
    assert "unknown scenario 'sunny'" in done.stderr
    assert "Traceback" not in done.stderr
