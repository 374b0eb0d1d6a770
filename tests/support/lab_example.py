"""The example of docs/pytest.md, copied into a folder of its own as if it were somebody's repository, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "pytest"


def run_example(folder: Path, environment: dict[str, str], *arguments: str, within_s: float = 110.0) -> str:
    """Everything that pytest printed; the last line says `exit N`."""
    for path in EXAMPLE.iterdir():
        if path.suffix in {".py", ".yaml"}:
            shutil.copy(path, folder)
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-q",
            str(folder),
            "--rootdir",
            str(folder),
            *arguments,
        ],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    return f"{ended.stdout}\n{ended.stderr}\nexit {ended.returncode}"
