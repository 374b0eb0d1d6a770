"""The wheel, built from this tree and installed in a clean environment, as a user has it.

With every push the packages that it needs are links to those of the tests' own environment, at the locked versions;
`--soak` lets pip find and install them, as a user does, which takes a minute.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTEST = ("pytest", "iniconfig", "pluggy", "packaging", "pygments", "setuptools")
"""pytest with all that it needs, and what builds a package of somebody else."""
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

    def pip(self, *arguments: str) -> None:
        """Let the pip of the tests' environment work on this one."""
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(self.python))
        _run(*pip, *arguments)


def install(folder: Path, *, with_pip: bool = False) -> Installed:
    """Build the wheel from a copy of what git knows, and install it in a new environment, where pytest is too."""
    source, wheels, home = copy_source(folder / "source"), folder / "wheels", folder / "venv"
    isolation = () if with_pip else ("--no-isolation",)
    _run(sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(wheels), str(source))
    [wheel] = wheels.glob("*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", str(home))
    installed = Installed(home / "bin" / "python", wheel)
    if with_pip:
        versions = folder / "versions.txt"
        versions.write_text("".join(f"{name}=={version}\n" for name, version in locked("dev")))
        installed.pip("install", "--constraint", str(versions), str(wheel), "pytest")
    else:
        [site] = home.glob("lib/python*/site-packages")
        link_packages(site, [*(name for name, _ in locked("local")), *PYTEST])
        installed.pip("install", "--no-deps", str(wheel))
    return installed


def copy_source(target: Path) -> Path:
    """Copy all files that git knows, so that a build leaves nothing in this tree; return the folder."""
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():  # not one that has been deleted and not committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def locked(which: str) -> list[tuple[str, str]]:
    """Return name and version of every package in a file of `requirements/`."""
    return re.findall(r"^([\w.-]+)(?:\[\S*\])?==([^\s;]+)", (ROOT / "requirements" / f"{which}.txt").read_text(), re.M)


def link_packages(site: Path, names: list[str]) -> None:
    """Make packages of this environment visible in another one."""
    for name in names:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:  # it is for another platform
            continue
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution(name).locate_file(top).resolve())


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
