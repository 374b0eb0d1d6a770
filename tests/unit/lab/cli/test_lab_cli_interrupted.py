"""Ctrl-C in the middle of a command is said in one line, whoever catches it first."""

from __future__ import annotations

import sys

import pytest

from lab import __main__ as entry
from lab.cli import app, scenario_commands
from lab.errors import ExitCode


def interrupted(_: str) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    monkeypatch.setattr(scenario_commands, "find", interrupted)
    monkeypatch.setattr(sys, "argv", ["lab", "plan", "pause"])
    assert entry.main() == entry.INTERRUPTED == ExitCode.INTERRUPTED
    assert capsys.readouterr().err.startswith("lab: interrupted; everything")
