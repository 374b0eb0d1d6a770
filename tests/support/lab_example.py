"""The example of docs/pytest.md, copied into a folder of its own as if it were somebody's repository, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "pytest"


def base_image() -> dict[str, str]:
    """Compose reads `.env` beside the compose file; the one of a host without image registry is the repository's."""
    path = EXAMPLE.parents[1] / ".env"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if line.startswith("BASE_IMAGE="))


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
