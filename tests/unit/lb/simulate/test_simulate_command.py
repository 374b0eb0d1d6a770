"""`python -m lb.simulate`: what `lab bench policies` reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lb.core.policies import POLICIES
from lb.simulate.__main__ import main
from lb.simulate.measure import BINS, percentile
from lb.simulate.scenario import SCENARIOS


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert main(arguments) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_list_names_all_scenarios_and_policies(capsys: pytest.CaptureFixture[str]) -> None:
    [listed] = printed(capsys, "list")
    assert listed["scenarios"] == list(SCENARIOS)
    assert listed["policies"] == sorted(POLICIES)


def test_run_describes_the_scenario_and_then_each_policy_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--scenario", "weighted", "--policy", "random", "--policy", "p2c", "--seeds", "2"]
    scenario, *cells = printed(capsys, *arguments, "--scale", "0.05")
    assert (scenario["kind"], scenario["scenario"]) == ("scenario", "weighted")
    assert [backend["servers"] for backend in scenario["backends"]] == [1, 2, 4]
    assert scenario["utilisation"] == pytest.approx(0.7)
    assert [cell["policy"] for cell in cells] == ["random", "p2c"]
    for cell in cells:
        assert cell["seeds"] == 2
        assert sum(cell["shares"]) == pytest.approx(1.0)
        assert len(cell["series"]) == BINS
        assert cell["p99_s"]["low"] <= cell["p99_s"]["value"] <= cell["p99_s"]["high"]
    # Two seconds at 490 requests/s, twice; ± 4 standard deviations of Poisson(1960).
    assert cells[0]["requests"] == pytest.approx(1960, abs=180)


def test_scale_changes_how_long_is_measured_but_not_when_a_fault_comes() -> None:
    assert SCENARIOS["slow"].scaled(2.0).measured == 2 * SCENARIOS["slow"].measured
    assert SCENARIOS["paused"].scaled(2.0) == SCENARIOS["paused"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["run", "--scenario", "sunny"], "invalid choice: 'sunny'"),
        (["run", "--policy", "fastest"], "invalid choice: 'fastest'"),
        (["run", "--seeds", "0"], "'0' is not a whole number, 1 or more"),
        (["run", "--scale", "soon"], "'soon' is not a number from 0.01 to 1000"),
        ([], "required: what"),
    ],
)
def test_bad_arguments_exit_2_with_a_reason(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert percentile(values, 0.5) == 50.0
    assert percentile(values, 0.99) == 99.0
    assert percentile([7.0], 0.99) == 7.0
