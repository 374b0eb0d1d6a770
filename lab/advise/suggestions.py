"""What a suggestion can change. The lines, in each program's syntax, are in `models/`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PLACE: Final = "{seconds:g}"
"""Stands for a time in a line."""


class Knob(StrEnum):
    """What a suggestion changes."""

    RESPONSE_TIMEOUT = "response time-out"
    RETRY = "retries of failed connections"
    OTHER_SERVER = "retries on another server"
    POSTS = "no repeated POSTs"
    ATTEMPTS = "number of attempts"
    PANIC = "panic threshold"
    FALL = "failed checks in a row"
    CHECKS = "health checks"
    IDLE = "idle connections"
    EJECTED = "limit on ejected servers"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line, and the address of the program's documentation of it."""

    line: str
    """Empty if the program has no such setting."""
    docs: str

    def at(self, seconds: float) -> Suggestion:
        """Return the suggestion with this time, in seconds, in its line."""
        return Suggestion(self.line.replace(PLACE, f"{seconds:g}"), self.docs)
