"""`lab run --all`: what this lab cannot do is skipped with its reason, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from lab.cli.run_session import RunSession
from lab.errors import EnvironmentProblemError
from lab.report.live import view
from lab.services.endpoints import Endpoints
from tests.support.lab_plans import plan, step

LAB = Endpoints(traffic="http://t", admin="http://a", chaos="http://c", chaos_token="", runtime="local")
PAUSE = plan(scenario="pause")
CPU = plan(scenario="cpu", steps=(step(fault="cpu", params={"cpu": "10%"}),))


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunSession:
    async def capabilities(_: RunSession) -> dict[str, object]:
        return {"pause": {"possible": True}, "cpu": {"possible": False, "missing": "a cgroup for each process"}}

    monkeypatch.setattr(RunSession, "_capabilities", capabilities)
    console = Console(quiet=True)
    with view(console) as live:
        return RunSession(LAB, tmp_path, live, console, repeats=0)


def test_it_is_skipped_and_says_why(session: RunSession) -> None:
    reason = "cpu is not possible here: a cgroup for each process"
    assert session.runnable([CPU, PAUSE]) == ([PAUSE], [{"scenario": "cpu", "reason": reason}])


def test_where_everything_would_be_skipped_nothing_has_passed(session: RunSession) -> None:
    with pytest.raises(EnvironmentProblemError, match="can run none of the scenarios"):
        session.runnable([CPU])
