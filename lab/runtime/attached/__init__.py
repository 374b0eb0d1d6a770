"""A compose project of the user as a lab: nothing of it is changed; our chaos service runs in a project beside it."""

from typing import Final

LAB_FILE: Final = "LAB_FILE"
"""Environment variable with the path of the lab file; `lab --lab-file` sets it."""
