"""Where a contest is held: for each turn a lab with the balancer that is due, as processes of this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from ..balancers.selection import Choice, Place, ThisMachine
from ..processes.readiness import log_end, telling
from ..runtime import Say
from ..runtime.local_lab import LocalRuntime
from ..services.endpoints import Endpoints


class Standing(Protocol):
    """A lab that stands, with one balancer."""

    endpoints: Endpoints

    def ended(self) -> str:
        """How the balancer ended; empty while it runs, or where nobody can tell."""

    def last_words(self) -> tuple[str, ...]:
        """The end of its log."""

    def moved(self) -> str:
        """Why the balancer's addresses are no longer those of the backends; empty where they are."""


class Stage(Protocol):
    """Where labs stand."""

    name: str
    """`local` or `docker`."""

    def place(self, balancer: str) -> Place:
        """Where the programs of that adapter are, once the stage is set up."""

    def set_up(self, say: Say) -> AbstractContextManager[None]:
        """What all turns share. Raises `EnvironmentProblemError`."""

    def lab(self, choice: Choice) -> AbstractContextManager[Standing]:
        """A lab with this balancer, which works. Raises `LabError`: it is not here, is refused, or does not start."""


@dataclass(slots=True)
class LocalStanding:
    """Of processes: the balancer is one that this machine knows by number."""

    endpoints: Endpoints

    def ended(self) -> str:
        """Its process is gone."""
        if not self.endpoints.balancer_pid:
            return ""
        try:
            os.kill(self.endpoints.balancer_pid, 0)
        except ProcessLookupError:
            return "the balancer ended in mid-run"
        except PermissionError:
            return ""
        return ""

    def last_words(self) -> tuple[str, ...]:
        """Of its log file."""
        return telling(log_end(Path(self.endpoints.balancer_log)).splitlines())

    def moved(self) -> str:
        """Ports are given once."""
        return ""


@dataclass(slots=True)
class LocalStage:
    """A whole lab of its own for each turn."""

    root: Path
    name: str = "local"

    def place(self, balancer: str) -> Place:
        """Installed programs."""
        return ThisMachine()

    @contextlib.contextmanager
    def set_up(self, say: Say) -> Iterator[None]:
        """Nothing is shared."""
        yield

    @contextlib.contextmanager
    def lab(self, choice: Choice) -> Iterator[Standing]:
        """Six processes; up in a few seconds."""
        choice = replace(choice, watched=bool(choice.files or choice.command))
        with LocalRuntime(self.root, other=choice).borrow(lambda _: None) as endpoints:
            yield LocalStanding(endpoints)
