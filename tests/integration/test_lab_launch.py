"""Modules of the lab in a folder that holds the caller's own modules of the same names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.processes.child_environment import child_environment
from lab.processes.launch import words

THEIRS = "open('theirs-ran', 'a').write(__name__)\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository whose modules and packages are called like ours, and like modules that ours import."""
    for name in ("api", "typing", "aiohttp"):
        (tmp_path / f"{name}.py").write_text(THEIRS)
    for name in ("lb", "lab", "chaos"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(THEIRS)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (words("lb", "--check", "--config", "none.yaml"), "none.yaml"),
        (words("lab.traffic", "--help"), "--history"),
        (words("lab.runtime.supervisor", "--help"), "--state-dir"),
        (words("chaos.relay", "--help"), "--upstream"),
        (words("api"), "API_PORT"),
        (words("chaos"), "CHAOS_PORT"),
    ],
    ids=lambda value: value[4] if isinstance(value, tuple) else "",
)
def test_the_callers_modules_are_never_run(shop: Path, command: tuple[str, ...], says: str) -> None:
    environment = child_environment({"API_PORT": "none", "CHAOS_PORT": "none"})
    done = subprocess.run(command, cwd=shop, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert says in done.stdout + done.stderr
    assert not (shop / "theirs-ran").exists()
