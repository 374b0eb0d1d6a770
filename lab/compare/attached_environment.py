"""Runs a comparison on running compose projects of the user, each described by a lab file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..balancers.selection import Choice, Place, ThisMachine
from ..runtime import Say
from ..runtime.attached.attached_lab import AttachedRuntime
from ..runtime.attached.lab_file import load_lab_file
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from .environment import RunningBalancer


@dataclass(slots=True)
class AttachedRunningBalancer:
    """The balancer of an attached project."""

    endpoints: Endpoints
    runtime: AttachedRuntime

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan with the requests and expectations of the lab file."""
        return self.runtime.adapt(plan)

    def ended(self) -> str:
        """Return an empty string: Compose may restart it, which is the project's matter."""
        return ""

    def log_tail(self) -> tuple[str, ...]:
        """Return no lines: the log is the user's."""
        return ()

    def address_change(self) -> str:
        """Return an empty string: how the balancer finds its backends is the project's matter."""
        return ""


@dataclass(slots=True)
class AttachedEnvironment:
    """Compose projects that run already. A chaos service is started beside each, for the length of the comparison."""

    name: str = "attached"
    _say: Say = field(default=print, init=False, repr=False)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False, repr=False)
    _running: dict[str, AttachedRunningBalancer] = field(default_factory=dict, init=False, repr=False)

    def place(self, balancer: str, binary: str) -> Place:
        """Return this machine; no program of an attached project is looked for."""
        return ThisMachine(binary)

    @contextlib.contextmanager
    def set_up(self, say: Say) -> Iterator[None]:
        """At the end, remove the chaos services that were started."""
        self._say = say
        with self._open:
            yield

    @contextlib.contextmanager
    def lab(self, choice: Choice) -> Iterator[RunningBalancer]:
        """Yield the project of the lab file. Its chaos service is started at the first use."""
        if choice.lab_file not in self._running:
            runtime = AttachedRuntime(load_lab_file(Path(choice.lab_file)))
            endpoints = self._open.enter_context(runtime.borrow(self._say))
            self._running[choice.lab_file] = AttachedRunningBalancer(endpoints, runtime)
        yield self._running[choice.lab_file]
