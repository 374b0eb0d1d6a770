"""The interface of a balancer adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .configuration import Configuration, Edit, Listener, Pool
from .requirements import ProxySpec
from .tunables import Bounds, Tunable, Writes

if TYPE_CHECKING:
    from .operating import Operated, Operator


@dataclass(frozen=True, slots=True)
class Program:
    """An installed program: the words that come before its arguments."""

    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """The program is not installed."""

    install: str
    """The command that installs it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to run."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment variables, in addition to the caller's."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """A setting that this balancer cannot express, and what that means for a comparison."""

    setting: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """A recommendation of the balancer's own documentation for fast failover, with its source."""

    advice: str
    source: str


class OwnFiles:
    """How a program runs on a user's own configuration files, and how its directives are confined to the lab."""

    forwards = r"(?!)"
    """Regular expression (multi-line) that finds the addresses that the program forwards to or checks. The first group
    that matches is the address: a host with or without a port, or a URL."""
    named = r"(?!)"
    """Regular expression for lower-case file names that are typical of this program without containing its name."""
    content = r"(?!)"
    """Regular expression (multi-line) that finds a line that only this program's files have."""
    cannot: tuple[str, ...] = ()
    """What keeps this program from noticing a failed server sooner, whatever its settings are."""
    in_folder: tuple[str, ...] = ("*",)
    """Patterns of the names of files that are read from a folder, in this order; names of one pattern are sorted."""
    spreads = ""
    """Setting of a policy with which the requests of one client reach all servers."""
    loaded_path = ""
    """For a program that listens, and answers 404, before it has read all its files: path that answers 200 once it has,
    in files that the lab imported. Empty: the program reads its files first."""

    def keep_inside(self, text: str, values: Mapping[str, str], *, main: bool) -> str:
        """Return the text without directives that write outside the run's folder or start a daemon.

        `values` has the values of placeholders, such as DIR and LISTEN_PORT. `main`: whether this is the main file.
        """
        return text

    def read(self, files: Sequence[Path]) -> Configuration:
        """Return what the files say, with the files that they include.

        Raise `BadArgumentsError` that names file and line for what is not of this program's language.
        """
        raise NotImplementedError

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        """Return the changes that let the program serve this listener's requests from the lab's backends.

        Requests enter at `@LISTEN@`; the pool's servers become `@BACKEND_1@`, `@BACKEND_2@` and so on. Other listeners
        accept nothing on this machine's network, and servers of other pools are never contacted. Nothing that decides
        failover changes.
        """
        raise NotImplementedError

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        """Return the settings of the pool that `lab tune` may change; none if it cannot change this program's files."""
        return []

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        """Return the changes that write these settings into the user's files."""
        raise NotImplementedError

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command | None, Command]:
        """Return the command that checks the files (None if the program has none), and the command that runs it."""
        raise NotImplementedError


class BaseAdapter:
    """Default values of an adapter's attributes."""

    tuning: tuple[Tuning, ...] = ()
    own_files: OwnFiles | None = None

    def check(self, program: Program, workdir: Path) -> Command | None:
        """Return None, because not every program can check its configuration."""
        return None

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return no quirks."""
        return ()

    def operator(self, running: Operated) -> Operator | None:
        """Return None: deploys and reloads are left out."""
        return None


@runtime_checkable
class Adapter(Protocol):
    """The code that finds, configures and starts one balancer program."""

    @property
    def name(self) -> str:
        """Name in tables and on the command line."""

    @property
    def tuning(self) -> tuple[Tuning, ...]:
        """What the level `tuned` adds to `matched`."""

    @property
    def own_files(self) -> OwnFiles | None:
        """How the program runs on a user's own files; None if it cannot."""

    def find(self) -> Program | Missing:
        """Return the installed program, or how to install it."""

    def version(self, program: Program) -> str:
        """Return the version number that the program reports. Raise `EnvironmentProblemError` if it reports none."""

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write the configuration files into `workdir`. Return their paths; the main file comes first."""

    def check(self, program: Program, workdir: Path) -> Command | None:
        """Return the command that checks the rendered files, or None if the program has none."""

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command that runs the program in the foreground until SIGTERM."""

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the URLs that all answer 200 once the balancer is ready."""

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return the settings of `spec` that the balancer cannot express."""

    def operator(self, running: Operated) -> Operator | None:
        """Return what changes the running balancer during deploys and reloads, or None if the lab cannot do that."""
