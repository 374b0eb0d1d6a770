"""A run that somebody ends in its middle: said, unknown, and every request that had left is on file."""

from __future__ import annotations

import json
import signal

import pytest

from tests.e2e.conftest import Cli
from tests.support.lab_processes import eventually

ENOUGH = 200
"""Lines of history: half a second of traffic."""


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL],
    ids=lambda number: number.name,
)
def test_what_was_recorded_is_kept_and_judged_unknown(cli: Cli, number: signal.Signals) -> None:
    with cli.popen("run", "kill", "--runtime", "local") as process:
        eventually(lambda: lines_of_history(cli) > ENOUGH, 30.0, "traffic flows")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    cli.expect_nothing_left()
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert not (cli.newest_run() / "verdict.json").exists(), "nobody was left to judge"
    else:
        assert process.returncode == 130, err
        assert "interrupted" in err
        assert "the run was not completed; its record is in" in out
        assert json.loads((cli.newest_run() / "verdict.json").read_text())["verdict"] == "unknown"
        assert (cli.newest_run() / "report.html").exists()

    checked = cli.run("check", "latest", "--json")
    assert checked.code == 2, checked
    assert checked.document["verdict"] == "unknown"
    [complaint] = [check["detail"] for check in checked.document["checks"] if check["name"] == "completeness"]
    assert ("did not come to its end" if number is signal.SIGKILL else "the run was interrupted") in complaint
    sent = [line for line in history(cli) if '"e":"invoke"' in line]
    warm_up = json.loads((cli.newest_run() / "plan.json").read_text())["warm_up_s"]
    counted = [line for line in sent if json.loads(line)["due"] >= warm_up]
    assert checked.document["requests"]["total"] == len(counted)


def history(cli: Cli) -> list[str]:
    path = cli.newest_run() / "history.jsonl"
    return path.read_text().splitlines() if path.exists() else []


def lines_of_history(cli: Cli) -> int:
    return len(history(cli))
