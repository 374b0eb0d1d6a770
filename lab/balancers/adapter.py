"""The interface of a balancer adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

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


class OwnFiles:
    """How a program reads a user's own configuration, and what such a file must not do in a lab."""

    forwards = r"(?!)"
    """Regular expression (multi-line) of what the program forwards to or checks; the first group that matches is the
    address: a host with or without a port, or a URL."""
    named = r"(?!)"
    """Regular expression of file names, in lower case, that are this program's without naming it."""

    def keep_inside(self, text: str, values: Mapping[str, str], *, main: bool) -> str:
        """Return the text with everything turned off, or redirected, that leaves the run's folder or the foreground.

        `values` are the placeholders' values, such as DIR and LISTEN_PORT; `main`: this is the main file.
        """
        return text

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command | None, Command]:
        """Return the command that checks the files (None if the program has none), and the one that runs on them."""
        raise NotImplementedError


class BaseAdapter:
    """Default values of an adapter's attributes."""

    tuning: tuple[Tuning, ...] = ()
    own_files: OwnFiles | None = None

    def check(self, program: Program, workdir: Path) -> Command | None:
        """Return None: not every program can check its configuration."""
        return None

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return nothing."""
        return ()


@runtime_checkable
class Adapter(Protocol):
    """One balancer."""

    @property
    def name(self) -> str:
        """As in tables and on the command line."""

    @property
    def tuning(self) -> tuple[Tuning, ...]:
        """What the level `tuned` adds to `matched`."""

    @property
    def own_files(self) -> OwnFiles | None:
        """How the program runs on a user's own files; None if it cannot."""

    def find(self) -> Program | Missing:
        """The installed program."""

    def version(self, program: Program) -> str:
        """Its own version number. Raises `EnvironmentProblemError` if it does not tell one."""

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write its configuration files into `workdir`; the main one comes first."""

    def check(self, program: Program, workdir: Path) -> Command | None:
        """The command that says what is wrong with the rendered files; None if the program has none."""

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """The command that runs it in the foreground until SIGTERM."""

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """URLs that all answer 200 once it does its work."""

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """What of `spec` it cannot express."""
