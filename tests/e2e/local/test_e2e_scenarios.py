"""Plans, replays, old runs and killed runs, through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli
from tests.support.lab_processes import eventually

PUNCTUAL_S = 0.05
"""What the issue grants a replay; the checker `punctuality` holds every run to it."""

TWO_STEPS = """\
version: 1
title: Two faults at times of the seed
load: {rate: 50/s, mix: [{request: GET /work?sleep_ms=2, share: 100%}]}
warm_up: 500ms
steady_state: 1s
steps:
  - {at: {between: [0s, 500ms]}, fault: unhealthy, target: random, duration: 1s}
  - {at: 1s, act: drain, target: random, duration: 1s}
settle: {after_readmission: 500ms, at_most: 15s}
expect: {idempotent_failures: 0}
"""


def events(folder: Path, *types: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [event for event in found if event["source"] == "lab" and event["type"] in types]


def test_a_replay_is_the_same_plan_with_every_step_in_time(cli: Cli) -> None:
    (cli.folder / "two.yaml").write_text(TWO_STEPS)
    planned = cli.run("plan", "two.yaml", "--seed", "5", "--json")
    assert planned.code == 0, planned
    assert planned.out == cli.run("plan", "two.yaml", "--seed", "5", "--json").out
    assert planned.out != cli.run("plan", "two.yaml", "--seed", "6", "--json").out

    (cli.folder / "plan.json").write_text(planned.out)
    outcome = cli.run("replay", "plan.json", "--json")
    assert outcome.code in {0, 2}, outcome
    folder = cli.newest_run()
    assert (folder / "plan.json").read_text() == planned.out
    steps = sorted(events(folder, "step"), key=lambda event: event["step"])
    wanted = [step["at_s"] for step in json.loads(planned.out)["steps"]]
    assert [event["at"] for event in steps] == wanted
    assert all(0.0 <= event["t"] - event["at"] <= PUNCTUAL_S for event in steps), steps
    [act] = events(folder, "act")
    assert "error" not in act
    assert act["ended_at"] - act["began_at"] >= 1.0


def test_a_run_whose_lab_was_killed_outright_is_unknown_and_says_why(cli: Cli) -> None:
    with cli.popen("run", "pause", "--runtime", "local") as process:
        history = cli.folder / "results" / "latest" / "history.jsonl"
        eventually(lambda: history.exists() and history.stat().st_size > 20_000, 30, "traffic flows")
        process.kill()
    eventually(lambda: not cli.processes(), 15, "everything is gone")
    folder = cli.newest_run()
    assert history.read_bytes().count(b'"e":"invoke"') > 50, "what was invoked is on file"
    outcome = cli.run("check", folder.name, "--json")
    assert outcome.code == 2, outcome
    assert outcome.document["verdict"] == "unknown"
    [completeness] = [check for check in outcome.document["checks"] if check["name"] == "completeness"]
    assert "did not come to its end" in completeness["detail"]
    assert (folder / "report.html").stat().st_size > 0


def test_an_old_run_is_judged_again_alike(cli: Cli) -> None:
    (cli.folder / "two.yaml").write_text(TWO_STEPS)
    first = cli.run("run", "two.yaml", "--seed", "1", "--json")
    [run] = first.document["runs"]
    again = cli.run("check", Path(run["folder"]).name, "--json")
    assert again.code == first.code, again
    assert again.document == run
    assert cli.run("check", "no-such-run").code == 254


@pytest.mark.long
def test_the_phases_of_a_sweep_are_where_they_were_asked_for(cli: Cli) -> None:
    outcome = cli.run("run", "refuse", "--phases", "2", "--seed", "1", "--json")
    assert outcome.code in {0, 2}, outcome
    [sweep] = outcome.document["sweeps"]
    assert [point["wanted"] for point in sweep["points"]] == [0.0, 0.5]
    for point in sweep["points"]:
        assert abs(point["phase"] - point["wanted"]) < 0.3, point  # of 500 ms
        assert point["reroute_s"] <= point["bound_s"]
    [page] = cli.folder.glob("results/*-refuse-sweep-*/sweep.html")
    assert page.read_text().count("<circle") == 2


def test_what_another_lab_cannot_do_is_said_before_it_starts(cli: Cli) -> None:
    (cli.folder / "two.yaml").write_text(TWO_STEPS.replace("unhealthy", "unhealty"))
    outcome = cli.run("run", "two.yaml")
    assert outcome.code == 254, outcome
    assert "two.yaml:7: steps[0].fault" in outcome.err
    assert "did you mean unhealthy?" in outcome.err
    assert not (cli.folder / "results").exists()
