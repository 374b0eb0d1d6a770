from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import app


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signal handlers stay the test runner's."""
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)


@pytest.mark.parametrize("line", ["", "run", "faults", "faults inject", "faults monkey", "faults monkey plan", "bench"])
def test_the_short_option_shows_the_same_help(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run([*line.split(), "--help"]) == 0
    long = capsys.readouterr().out
    assert app.run([*line.split(), "-h"]) == 0
    assert capsys.readouterr().out == long
    assert long.startswith(f"Usage: lab {line}".strip())


@pytest.mark.parametrize(
    ("line", "next_step"),
    [("nonsense", "lab --help"), ("run --nonsense", "lab run --help"), ("completion moon", "lab completion --help")],
)
def test_a_usage_error_names_the_help_of_that_command(
    line: str, next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(line.split()) == 254
    assert capsys.readouterr().err.endswith(f"  next: {next_step}\n")


@pytest.mark.parametrize("word", ["--version", "completion"])
def test_what_is_needed_often_imports_no_other_command(word: str) -> None:
    """A shell may run `lab completion` each time it starts."""
    code = f"import sys; from lab.cli.app import run; run([{word!r}, 'bash']); print('lab.cli.common' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")
