"""Runs a module of this project in any working directory: `python -P …/lab/processes/launch.py -m MODULE [ARGUMENT…]`.

`python -m api` would run the first `api` on the search path, such as an `api.py` in the user's repository. With this
file, our four packages come from the folder that contains it, and nothing else is changed.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

OURS = ("lb", "api", "chaos", "lab")
ROOT = Path(__file__).resolve().parents[2]


class OurPackages:
    """Finds our packages in `ROOT` before any other finder."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Implement the protocol of `sys.meta_path`. None leaves the name to the next finder."""
        return PathFinder.find_spec(name, [str(ROOT)], target) if path is None and name in OURS else None


PREFIX = __name__.removesuffix("lab.processes.launch")
"""Empty in a source tree; `reroute_lab.` if the lab is installed, so that child processes use the same names."""


def words(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the words of a command that runs our module. `-P`: nothing is imported from the current folder."""
    return sys.executable, "-P", str(Path(__file__).resolve()), "-m", PREFIX + module, *arguments


if __name__ == "__main__":
    sys.meta_path.insert(0, OurPackages)
    os.environ["PYTHONSAFEPATH"] = "1"  # `-P` for the processes that the module starts
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
