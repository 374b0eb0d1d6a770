"""Starts and stops a lab, as containers (`docker`) or as local processes (`local`), behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from ..services.endpoints import Endpoints

Say = Callable[[str], None]
"""Tells people one line: a port that moved, an image that is being built."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process or container of a lab."""

    name: str
    role: str
    state: str
    """`running`, `exited`, …; of a container with its health."""
    address: str


class Runtime(Protocol):
    """Brings labs up and takes them down. All calls block, and raise `lab.errors.EnvironmentProblemError`."""

    name: str

    def find(self) -> Endpoints | None:
        """The lab that runs in the background, if there is one."""

    def up(self, say: Say) -> Endpoints:
        """Bring up a lab that outlives this command, or find it. Every member works when this returns."""

    def borrow(self, say: Say) -> AbstractContextManager[Endpoints]:
        """The running lab, left as it is afterwards; where there is none, one for the length of the context."""

    def down(self, say: Say) -> bool:
        """Stop the background lab and everything of it. False: there was none."""

    def status(self) -> list[Member]:
        """The members of the background lab; empty if there is none."""

    def logs(self, tail: int) -> str:
        """The last `tail` lines of every member, for a person to read."""
