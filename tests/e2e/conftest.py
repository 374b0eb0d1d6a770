"""The real command line in a folder of its own, and what it left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.runtime import ports
from tests.support.free_ports import free_port
from tests.support.lab_processes import eventually, mentioning

RUN_WITHIN_S = 110.0
"""A scenario takes 10 s; ten times that is stuck."""


@dataclass
class Outcome:
    """How one command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """What `--json` printed: stdout is that and nothing else."""
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass
class Cli:
    """Runs `lab` in `folder`; everything it starts carries a mark in its environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """Found in the environment of every process that a command of ours started, however indirectly."""
        return f"LAB_TEST_MARK={self.folder}"

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command."""
        name, _, value = self.mark.partition("=")
        return subprocess.Popen(
            [sys.executable, "-m", "reroute_lab.lab", *arguments],
            cwd=self.folder,
            env={**os.environ, name: value, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, within_s: float = RUN_WITHIN_S) -> Outcome:
        """Run a command to its end."""
        with self.popen(*arguments) as process:
            try:
                out, err = process.communicate(timeout=within_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Outcome(process.returncode, out, err)

    def processes(self) -> dict[int, str]:
        """Every process of ours that lives."""
        return mentioning(self.mark)

    def expect_nothing_left(self, within_s: float = 15.0) -> None:
        """No process lives, hence no port is held."""
        eventually(lambda: not self.processes(), within_s, f"no process left; there are {self.processes()}")

    def newest_run(self) -> Path:
        """The folder of the newest run."""
        return (self.folder / "results" / "latest").resolve()


def spare_ports() -> dict[str, str]:
    """Free ports for the three published ones, so that tests disturb no lab of the person who runs them."""
    return {published.variable: str(free_port()) for published in ports.PUBLISHED}


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    made = Cli(tmp_path, spare_ports())
    yield made
    if (tmp_path / ".lab" / "local").exists():  # a background lab
        made.run("down", "--runtime", "local")
    made.expect_nothing_left()
