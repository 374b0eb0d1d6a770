"""`lab run --all`: what this lab cannot do is skipped with its reason, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from lab.cli.run_session import Turn
from lab.errors import EnvironmentProblemError
from lab.report.live import view
from lab.services.endpoints import Endpoints
from tests.support.lab_plans import plan, step

LAB = Endpoints(traffic="http://t", admin="http://a", chaos="http://c", chaos_token="", runtime="local")
PAUSE = plan(scenario="pause")
CPU = plan(scenario="cpu", steps=(step(fault="cpu", params={"cpu": "10%"}),))


@pytest.fixture
def turn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Turn:
    async def capabilities(_: Turn) -> dict[str, object]:
        return {"pause": {"possible": True}, "cpu": {"possible": False, "missing": "a cgroup for each process"}}

    monkeypatch.setattr(Turn, "_capabilities", capabilities)
    console = Console(quiet=True)
    with view(console) as live:
        return Turn(LAB, tmp_path, live, console, repeats=0)


def test_it_is_skipped_and_says_why(turn: Turn) -> None:
    reason = "cpu is not possible here: a cgroup for each process"
    assert turn.possible([CPU, PAUSE]) == ([PAUSE], [{"scenario": "cpu", "reason": reason}])


def test_where_everything_would_be_skipped_nothing_has_passed(turn: Turn) -> None:
    with pytest.raises(EnvironmentProblemError, match="can run none of the scenarios"):
        turn.possible([CPU])
