"""The wheel, built from this tree and installed in a clean environment, as a user has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("api", "lb", "lab", "chaos", "tests", "reroute")
"""Packages that a user's project may well have."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A virtual environment with the wheel, pytest and nothing else of ours."""

    python: Path
    wheel: Path

    def run(
        self, folder: Path, *command: str, within_s: float = 110.0, before: Sequence[str] = (), **environment: str
    ) -> tuple[int, str]:
        """Run a program of the environment in `folder`; return its exit code and all that it printed.

        `before` are the words of a program that starts it.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        ended = subprocess.run(
            [*before, str(self.python.with_name(command[0])), *command[1:]],
            cwd=folder,
            env=clean | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
        return ended.returncode, ended.stdout


def install(folder: Path) -> Installed:
    """Build the wheel from a copy of what git knows, and install it with the locked versions of its dependencies."""
    source, wheels, home = folder / "source", folder / "wheels", folder / "venv"
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # not one that has been deleted and not committed
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(wheels), str(source))
    [wheel] = wheels.glob("*.whl")
    _run(sys.executable, "-m", "venv", str(home))
    locked = str(ROOT / "requirements" / "dev.txt")
    versions = folder / "versions.txt"
    pins = (line.split(" \\")[0] for line in Path(locked).read_text().splitlines() if "==" in line)
    versions.write_text("\n".join(pins) + "\n")
    pip = (str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    _run(*pip, "--constraint", str(versions), str(wheel), "pytest")
    return Installed(home / "bin" / "python", wheel)


def foreign_project(folder: Path) -> Path:
    """Make a folder whose packages have the names of ours and must never be imported."""
    for name in FOREIGN:
        (folder / name).mkdir(parents=True)
        for module in ("__init__", "__main__"):
            (folder / name / f"{module}.py").write_text(f"raise SystemExit('the foreign {name} was imported')\n")
    return folder


def _run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
