"""A disk that fills up after the verdict: the message says what to do, and the lab is not held responsible."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lab.cli import run_session
from lab.errors import EnvironmentProblemError
from lab.report.live import view
from lab.services.endpoints import Endpoints
from tests.support import report_samples as samples


def test_reports_that_cannot_be_written_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, _ = samples.pausing_run(rate=20.0)
    verdict = samples.verdict(history, "pass", samples.PASSING_CHECKS, 0.08, 0.61)

    async def ran(*_: Any) -> Any:
        return verdict

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_session, "run_experiment", ran)
    monkeypatch.setattr(run_session, "write_reports", full)
    console = Console(file=io.StringIO())
    endpoints = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "t", "local")
    one = run_session.RunSession(endpoints, tmp_path, view(console), console, repeats=0)
    with pytest.raises(EnvironmentProblemError, match="No space left on device") as said:
        one.run_valid(samples.plan(20.0))
    assert str(next(tmp_path.glob("2*"))) in said.value.next_step
    assert str(said.value).startswith("pause: pass, but the reports cannot be written")
