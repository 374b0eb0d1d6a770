"""The judgement of a long run stays cheap: a twentieth of the run that the limits are about, every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app

RECORDS = 50_000
MB_A_MILLION = 400.0
"""It takes 320; the promise is 500, and this part of it must not be spent unnoticed."""
INTERPRETER_MB = 45.0
"""What the process takes before it reads the first line, 36, and a margin."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)


def test_a_smaller_run_is_judged_within_its_share(capsys: pytest.CaptureFixture[str]) -> None:
    # A million may take 20 s: this part of it 1 s, which a busy host is granted five times.
    memory_mb = INTERPRETER_MB + MB_A_MILLION * RECORDS / 1e6
    line = f"bench check --records {RECORDS} --within-s 5 --within-mb {memory_mb} --json"
    code = app.run(line.split())
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    assert (document["requests"], document["verdict"], document["good"]) == (RECORDS, "pass", True)


def test_a_limit_that_is_not_kept_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["bench", "check", "--records", "10000", "--within-mb", "1"]) == 1
    assert "limit 1 MB" in capsys.readouterr().out
