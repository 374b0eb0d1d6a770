"""`lab completion`: what real shells complete."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.app import COMMANDS
from lab.runtime.selection import RuntimeName
from lab.scenario.fault_kinds import built_in
from lab.scenario.library import names

FISH, ZSH = shutil.which("fish"), shutil.which("zsh")
BASH = r"""
eval "$(lab completion bash)"
complete -p lab >&2
COMP_LINE="$1" COMP_POINT=${#1}
_lab_completion lab
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a program `lab` in `bin`, as if it were installed, and two runs."""
    program = tmp_path / "bin" / "lab"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reroute_lab.lab "$@"\n')
    program.chmod(0o755)
    for name in ("20261124-101500-kill-aaaa", "20261124-101600-pause-bbbb"):
        (tmp_path / "results" / name).mkdir(parents=True)
    return tmp_path


def shell(place: Path, *command: str) -> list[str]:
    path = f"{place / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=place, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=100, check=True
    )
    return done.stdout.split()


def bash(place: Path, line: str) -> list[str]:
    return shell(place, "bash", "--norc", "-c", BASH, "bash", line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lab rep", ["replay", "report"]),
        ("lab run ", names()),
        ("lab run kill pau", ["pause"]),
        ("lab --state-dir x run pau", ["pause"]),
        ("lab run --runtime ", [*RuntimeName]),
        ("lab run --runtime=d", ["docker"]),
        ("lab run --se", ["--seed"]),
        ("lab faults monkey s", ["start", "stop"]),
        ("lab faults inject ", list(built_in().kinds)),
        ("lab compare --scenarios kill,pau", ["kill,pause"]),
        ("lab check ", ["20261124-101600-pause-bbbb", "20261124-101500-kill-aaaa"]),
        ("lab check --results elsewhere ", []),
        ("lab run 'pau", ["pause"]),
    ],
)
def test_bash(place: Path, line: str, expected: list[str]) -> None:
    assert bash(place, line) == expected


def test_bash_completes_every_command(place: Path) -> None:
    assert sorted(bash(place, "lab ")) == sorted(COMMANDS)


@pytest.mark.skipif(FISH is None, reason="needs fish")
def test_fish(place: Path) -> None:
    script = "lab completion fish | source; complete -C 'lab run pau'; complete -C 'lab advise resu'"
    assert shell(place, str(FISH), "--no-config", "-c", script) == ["pause", "results/"]


@pytest.mark.skipif(ZSH is None, reason="needs zsh")
def test_zsh_reads_the_script(place: Path) -> None:
    script = 'autoload -Uz compinit; compinit -u -D; eval "$(lab completion zsh)"; print $_comps[lab]'
    assert shell(place, str(ZSH), "-f", "-c", script) == ["_lab_completion"]


def test_zsh_gets_a_command_that_adds_the_completions(place: Path) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": "lab run pau", "_LAB_COMPLETE": "complete_zsh"}
    assert shell(place, "env", *(f"{name}={value}" for name, value in asked.items()), "lab") == [
        "_arguments", "'*:", ':(("pause"))\'',
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_every_script_asks_lab(place: Path, name: str) -> None:
    assert f"_LAB_COMPLETE=complete_{name}" in shell(place, "lab", "completion", name)
