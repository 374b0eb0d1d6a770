"""Starts and stops a lab, as containers (`docker`) or as local processes (`local`), behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ..services.endpoints import Endpoints

if TYPE_CHECKING:
    from ..scenario.plan import Plan

Say = Callable[[str], None]
"""Shows the user one line, such as a changed port or an image that is being built."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process or container of a lab."""

    name: str
    role: str
    state: str
    """`running`, `exited` and the like; for a container, with its health."""
    address: str


class Runtime(Protocol):
    """Starts and stops labs. All calls block and raise `lab.errors.EnvironmentProblemError`."""

    name: str

    def find(self) -> Endpoints | None:
        """Return the lab that runs in the background, or None."""

    def up(self, say: Say) -> Endpoints:
        """Start a lab that outlives this command, or find a running one. Every member is ready when this returns."""

    def borrow(self, say: Say) -> AbstractContextManager[Endpoints]:
        """Yield the running lab, which keeps running. If there is none, start one for the length of the context."""

    def down(self, say: Say) -> bool:
        """Stop the background lab and all its members. Return whether there was one."""

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan as this runtime's lab can carry it out: with requests that its backends know."""

    def status(self) -> list[Member]:
        """Return the members of the background lab; empty if there is none."""

    def logs(self, tail: int) -> str:
        """Return the last `tail` lines of every member as text for people."""
