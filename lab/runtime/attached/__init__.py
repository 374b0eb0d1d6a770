"""A compose project of the user as a lab: nothing of it is changed; our chaos service runs in a project beside it."""

import os
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError

NAME: Final = "lab.yaml"

LAB_FILE: Final = "LAB_FILE"
"""Environment variable with the path of the lab file; `lab --lab-file` sets it."""


def find_file() -> Path | None:
    """Return the lab file of `LAB_FILE`, else `lab.yaml` in the working directory; None if there is none.

    Raise BadArgumentsError if the file that is named does not exist.
    """
    if named := os.environ.get(LAB_FILE):
        if not Path(named).is_file():
            raise BadArgumentsError(f"--lab-file {named}: there is no such file", "`lab attach` writes one")
        return Path(named)
    return Path(NAME) if Path(NAME).is_file() else None
