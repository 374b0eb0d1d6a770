"""Interface of the place where a comparison runs, and its implementation with processes of this machine."""

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
from ..runtime.local_lab import DEFAULT_BACKENDS, LocalRuntime
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints


class RunningBalancer(Protocol):
    """The balancer of a running lab."""

    endpoints: Endpoints

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan as its lab can carry it out."""

    def ended(self) -> str:
        """Return how the balancer ended, or an empty string while it runs or if that is not known."""

    def log_tail(self) -> tuple[str, ...]:
        """Return the last relevant lines of its log."""

    def address_change(self) -> str:
        """Return which backends no longer have the address in the balancer's configuration, or an empty string."""


class Environment(Protocol):
    """Starts a lab for each run."""

    name: str
    """`local`, `docker` or `attached`."""

    def place(self, balancer: str, binary: str) -> Place:
        """Return where the program of that adapter runs. Only valid inside `set_up`."""

    def set_up(self, say: Say) -> AbstractContextManager[None]:
        """Start what all runs share; stop it at the end. Raise `EnvironmentProblemError`."""

    def lab(self, choice: Choice) -> AbstractContextManager[RunningBalancer]:
        """Start a lab with this balancer and wait until it forwards requests.

        Raise `LabError` if the balancer is missing, rejects its configuration, or does not start.
        """


@dataclass(slots=True)
class LocalRunningBalancer:
    """A balancer that is a process of this machine."""

    endpoints: Endpoints

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan unchanged: it is written for these backends."""
        return plan

    def ended(self) -> str:
        """Return how its process ended, or an empty string while it runs or if there is none."""
        if not self.endpoints.balancer_pid:
            return ""
        try:
            os.kill(self.endpoints.balancer_pid, 0)
        except ProcessLookupError:
            return "the balancer ended during the run"
        except PermissionError:
            return ""
        return ""

    def log_tail(self) -> tuple[str, ...]:
        """Return the last relevant lines of its log file."""
        return telling(log_end(Path(self.endpoints.balancer_log)).splitlines())

    def address_change(self) -> str:
        """Return an empty string: processes keep their ports."""
        return ""


@dataclass(slots=True)
class LocalEnvironment:
    """A complete lab for each run, as processes of this machine."""

    root: Path
    name: str = "local"

    def place(self, balancer: str, binary: str) -> Place:
        """Return this machine, with its installed programs."""
        return ThisMachine(binary)

    @contextlib.contextmanager
    def set_up(self, say: Say) -> Iterator[None]:
        """Do nothing, because the runs share nothing."""
        yield

    @contextlib.contextmanager
    def lab(self, choice: Choice) -> Iterator[RunningBalancer]:
        """Start a complete lab, which takes a few seconds."""
        choice = replace(choice, watched=bool(choice.files or choice.command))
        backends = choice.backends or DEFAULT_BACKENDS
        with LocalRuntime(self.root, backends, other=choice).borrow(lambda _: None) as endpoints:
            yield LocalRunningBalancer(endpoints)
