"""Selects the balancer that a lab runs in place of ours: an adapter's, a user's own file, command or URL."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from ..errors import BadArgumentsError
from ..output.inert import inert
from ..processes.child_environment import child_environment
from ..processes.isolation.launcher import launched
from . import adapter as find_adapter
from .adapter import Adapter, Command, Missing, Program
from .own_files import adopt
from .requirements import Address, Backend, Level, ProxySpec
from .running import CHECK_TIMEOUT_S, MissingProgramError, RejectedConfigError
from .substitution import fill

_TOLD_LINES: Final = 12
HEALTH_PATH: Final = "/health"
"""Where the lab's backends answer 200 while they are well (docs/interfaces.md)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One balancer. Exactly one of `adapter` (with a level, or with own `files`), `command` and `url` is given."""

    name: str
    """What its rows are called."""
    adapter: str = ""
    level: str = Level.MATCHED.value
    files: tuple[str, ...] = ()
    """Own configuration, the main file first, instead of a rendered one."""
    replace: tuple[tuple[str, str], ...] = ()
    """What to replace in those files: (text, name of a placeholder, such as `BACKEND_1`)."""
    command: str = ""
    """A command line with placeholders."""
    url: str = ""
    """Where a balancer listens that runs already."""
    relay_ports: tuple[int, ...] = ()
    """Ports of the backends, for a balancer whose addresses cannot be filled in; else any free ones."""
    host: str = ""
    """The Host header of all requests through the balancer; empty: its address."""
    watched: bool = False
    """Whether its sockets have to be watched where it shares this machine's network."""
    health: str = HEALTH_PATH
    """What is asked through the balancer to see whether it works; `/health` is a path of the lab's backends."""

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Choice:
        """Raises `BadArgumentsError` for anything that `to_json` did not write."""
        try:
            raw: dict[str, Any] = json.loads(text)
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
            return cls(**{**fields, "replace": tuple(map(tuple, raw["replace"]))})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadArgumentsError(f"not the description of a balancer: {error}") from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the lab gives a balancer to work with; addresses are `host:port`."""

    listen: str
    admin: str
    backends: Mapping[str, str]

    def placeholders(self, folder: Path) -> dict[str, str]:
        """By name: LISTEN, ADMIN (each also _HOST and _PORT), BACKENDS, BACKEND_1 …, DIR, HEALTH."""
        named = {"LISTEN": self.listen, "ADMIN": self.admin}
        named |= {f"BACKEND_{number}": each for number, each in enumerate(self.backends.values(), 1)}
        values = dict(named)
        for name, address in named.items():
            values[f"{name}_HOST"], _, values[f"{name}_PORT"] = address.rpartition(":")
        return values | {"BACKENDS": ",".join(self.backends.values()), "DIR": str(folder), "HEALTH": HEALTH_PATH}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A process to run, and the URL that answers 200 once it works."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_url: str = ""


class Place(Protocol):
    """Where balancers run: on this machine, or in containers."""

    def find(self, adapter: Adapter) -> Program | Missing:
        """The program, as it is called there."""

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """The command to give on this machine so that `command` runs there and ends; it sees `folder`."""

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """The command, kept from changing anything but `folder` and from leaving processes behind."""


class ThisMachine:
    """Programs that are installed here."""

    def find(self, adapter: Adapter) -> Program | Missing:
        """Where the adapter finds it."""
        return adapter.find()

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """As it is, or kept in its folder: a check, too, opens logs and makes folders."""
        return command if folder is None else self.kept_in(command, folder)

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """By the launcher, which is of Linux; without a folder its files are left alone."""
        if sys.platform != "linux":
            return command
        return Command(launched(command.argv, folder), command.environment)


def prepare(choice: Choice, wanted: Wanted, folder: Path, place: Place | None = None) -> Prepared | None:
    """Write what the balancer reads into `folder`, and let it check that; None for one that runs elsewhere.

    Raises `MissingProgramError`, `RejectedConfigError` with the program's own words, or `BadArgumentsError`.
    """
    place = place or ThisMachine()
    if choice.url:
        return None
    health_url = f"http://{wanted.listen}{choice.health}"
    if choice.command:
        values = wanted.placeholders(folder)
        argv = tuple(fill(word, values, "the command") for word in _split(choice.command))
        if shutil.which(argv[0]) is None:
            raise BadArgumentsError(f"{argv[0]} is no program", "give the command that starts your balancer")
        own = place.kept_in(Command(argv, {f"LAB_{name}": value for name, value in values.items()}), folder)
        return Prepared(own.argv, own.environment, health_url)
    adapter = find_adapter(choice.adapter)
    program = _installed(adapter, place)
    spec = _spec(choice, wanted)
    if not choice.files:
        adapter.render(spec, folder)
        _check(adapter.name, adapter.check(program, folder), folder, place)
        command = adapter.command(program, spec, folder)
        return Prepared(command.argv, command.environment, adapter.ready(spec)[-1])
    if adapter.own_files is None:
        raise BadArgumentsError(f"{adapter.name} takes no file of one's own", "--balancers, or --balancer-cmd")
    files = adopt(adapter.own_files, choice.files, choice.replace, wanted.placeholders(folder), folder)
    check, command = adapter.own_files.commands(program, files)
    _check(adapter.name, check, folder, place)
    command = place.kept_in(command, folder)
    return Prepared(command.argv, command.environment, health_url)


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise BadArgumentsError(f"{command}: {error}", "quote the command as a shell would want it") from error


def _spec(choice: Choice, wanted: Wanted) -> ProxySpec:
    backends = tuple(Backend(name, _address(address)) for name, address in wanted.backends.items())
    return ProxySpec(_address(wanted.listen), _address(wanted.admin), backends, level=Level(choice.level))


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host, int(port))


def _installed(adapter: Adapter, place: Place) -> Program:
    found = place.find(adapter)
    if isinstance(found, Missing):
        raise MissingProgramError(f"{adapter.name} is not installed", found.install)
    return found


def _check(name: str, check: Command | None, folder: Path, place: Place) -> None:
    if check is None:
        return
    told, check = shlex.join(check.argv), place.reached(check, folder)
    environment = child_environment(check.environment)
    try:
        done = subprocess.run(
            check.argv,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RejectedConfigError(f"{name} did not finish checking its configuration", told) from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-_TOLD_LINES:]
        raise RejectedConfigError(f"{name} rejects its configuration", told, tuple(map(inert, said)))
