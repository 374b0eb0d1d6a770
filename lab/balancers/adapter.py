"""What the lab asks of a balancer, and the words that an adapter answers in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .requirements import ProxySpec


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program: what to put before its arguments."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The program is not here."""

    install: str
    """The command that installs it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to run."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """On top of the caller's."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """A setting that this balancer cannot express, and what that means for a comparison."""

    setting: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the balancer's own documentation recommends for fast failover, and where it says so."""

    advice: str
    source: str


class BaseAdapter:
    """What most balancers have in common. Optional: an adapter needs the methods only."""

    tuning: tuple[Tuning, ...] = ()

    def check(self, program: Program, workdir: Path) -> Command | None:
        """Return None: not every program can check its configuration."""
        return None

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return nothing."""
        return ()


class Adapter(Protocol):
    """One balancer."""

    @property
    def name(self) -> str:
        """As in tables and on the command line."""

    @property
    def tuning(self) -> tuple[Tuning, ...]:
        """What the level `tuned` adds to `matched`."""

    def find(self) -> Program | Missing:
        """The installed program."""

    def version(self, program: Program) -> str:
        """Its own version number. Raises `EnvironmentProblemError` where it does not tell one."""

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write its configuration files into `workdir`; the main one comes first."""

    def check(self, program: Program, workdir: Path) -> Command | None:
        """The command that says what is wrong with the rendered files; None where the program has none."""

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """The command that runs it in the foreground until SIGTERM."""

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """URLs that all answer 200 once it does its work."""

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What of `spec` it cannot express."""
