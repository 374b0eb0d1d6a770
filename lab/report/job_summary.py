"""What a CI job's summary page gets: GitHub names the file for it in `GITHUB_STEP_SUMMARY`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import EnvironmentProblemError
from .summary import Judged, markdown

VARIABLE = "GITHUB_STEP_SUMMARY"


def append(runs: Sequence[Judged]) -> bool:
    """Append the runs' table where the environment names a file for it; answers whether it does.

    Raises EnvironmentProblemError when it cannot be written.
    """
    named = os.environ.get(VARIABLE)
    if not named or not runs:
        return False
    try:
        with Path(named).open("a", encoding="utf-8", errors="backslashreplace") as page:
            page.write(f"{markdown(runs)}\n")
    except OSError as error:
        raise EnvironmentProblemError(
            f"the job summary cannot be written: {error}", f"unset {VARIABLE}, or name a file that can be written"
        ) from error
    return True
