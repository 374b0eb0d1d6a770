"""The summary page of a CI job: GitHub names the file to append to in `GITHUB_STEP_SUMMARY`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import EnvironmentProblemError
from .summary import JudgedRun, markdown

VARIABLE = "GITHUB_STEP_SUMMARY"


def append(runs: Sequence[JudgedRun]) -> bool:
    """Append the table of the runs, if there are any; see `append_text`."""
    return bool(runs) and append_text(markdown(runs))


def append_text(text: str) -> bool:
    """Append Markdown to the file that the environment names; return whether it names one.

    Raise EnvironmentProblemError if the file cannot be written.
    """
    file = os.environ.get(VARIABLE)
    if not file:
        return False
    try:
        with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as page:
            page.write(f"{text}\n")
    except OSError as error:
        raise EnvironmentProblemError(
            f"the job summary cannot be written: {error}", f"unset {VARIABLE}, or name a file that can be written"
        ) from error
    return True
