"""Prepares the balancer that a lab runs in place of ours: an adapter's, or a user's own file, command or URL."""

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
from .importing import Imported, import_files, same_words
from .own_files import adopt, read
from .requirements import Address, Backend, Level, ProxySpec
from .running import CHECK_TIMEOUT_S, MissingProgramError, RejectedConfigError
from .substitution import fill

_TOLD_LINES: Final = 12
HEALTH_PATH: Final = "/health"
"""Path at which healthy backends of the lab answer 200 (docs/interfaces.md)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One balancer. Exactly one of `adapter` (with a level, or with own `files`), `command`, `url` and
    `lab_file` is given."""

    name: str
    """Name of the balancer in tables and messages."""
    adapter: str = ""
    level: str = Level.MATCHED.value
    files: tuple[str, ...] = ()
    """The user's own configuration, main file first, instead of a rendered one."""
    replace: tuple[tuple[str, str], ...] = ()
    """Texts to replace in those files: (text, name of a placeholder, such as `BACKEND_1`)."""
    listener: str = ""
    """Name or place of the listener at which requests enter, if the files are imported (`lab.balancers.importing`)."""
    pool: str = ""
    """Name or place of the pool whose servers the lab's backends are; empty: the files have placeholders already."""
    backends: int = 0
    """Number of backends that the lab starts; 0: as many as usual."""
    binary: str = ""
    """Path of the program, or on Docker an image that has it, in place of the one that the adapter finds."""
    command: str = ""
    """Command line with placeholders."""
    url: str = ""
    """Address of a balancer that is already running."""
    lab_file: str = ""
    """Path of the `lab.yaml` of a compose project that is running."""
    relay_ports: tuple[int, ...] = ()
    """Ports of the backends, for a balancer whose backend addresses cannot be set. Empty: any free ports."""
    host: str = ""
    """Host header of all requests through the balancer; empty: the balancer's address."""
    prefix: str = ""
    """Path with which the path of every request through the balancer begins, such as `/v1`; the backends accept it."""
    watched: bool = False
    """Whether to watch the sockets of a balancer that shares this machine's network."""
    health: str = HEALTH_PATH
    """Path requested through the balancer to find out whether it is ready. The lab's backends answer `/health`."""

    def to_json(self) -> str:
        """Return the choice as one line of JSON."""
        return json.dumps(asdict(self))

    def imported(self) -> Imported:
        """Return the files as they are now with what the lab changes in them. Raise `BadArgumentsError`."""
        return import_files(self.adapter, [Path(each) for each in self.files], self.listener, self.pool)

    def texts(self) -> Mapping[Path, str]:
        """Return the files as they are now, with the lab's changes if they are imported. Raise `BadArgumentsError`."""
        return self.imported().texts() if self.pool else {path: read(path) for path in map(Path, self.files)}

    @classmethod
    def from_json(cls, text: str) -> Choice:
        """Return the choice that `to_json` wrote. Raise `BadArgumentsError` for any other text."""
        try:
            raw: dict[str, Any] = json.loads(text)
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
            return cls(**{**fields, "replace": tuple(map(tuple, raw["replace"]))})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadArgumentsError(f"not the description of a balancer: {error}") from error


@dataclass(frozen=True, slots=True)
class Wanted:
    """The addresses that the lab assigns to a balancer, each `host:port`."""

    listen: str
    admin: str
    backends: Mapping[str, str]

    def placeholders(self, folder: Path) -> dict[str, str]:
        """Return the values of the placeholders that a user's command or configuration file may contain.

        They are LISTEN, ADMIN and BACKEND_1 … (each also with _HOST and _PORT), BACKENDS, DIR (`folder`) and HEALTH.
        """
        named = {"LISTEN": self.listen, "ADMIN": self.admin}
        named |= {f"BACKEND_{number}": each for number, each in enumerate(self.backends.values(), 1)}
        values = dict(named)
        for name, address in named.items():
            values[f"{name}_HOST"], _, values[f"{name}_PORT"] = address.rpartition(":")
        return values | {"BACKENDS": ",".join(self.backends.values()), "DIR": str(folder), "HEALTH": HEALTH_PATH}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A process to run, and the URL that answers 200 once it is ready."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_url: str = ""
    loaded_path: str = ""
    """Path that answers 200 once the program has read all its files (`OwnFiles.loaded_path`)."""
    early: bool = False
    """Whether the program may answer 404 before it has read its files, and the lab cannot ask whether it has."""


class Place(Protocol):
    """Where balancers run: on this machine, or in containers."""

    def find(self, adapter: Adapter) -> Program | Missing:
        """Return the adapter's program as it is called in this place, or how to install it."""

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """Return a command of this machine that runs `command` in this place until it ends, with access to `folder`."""

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """Return the command, confined so that it can change only `folder` and leaves no processes behind."""


@dataclass(frozen=True, slots=True)
class ThisMachine:
    """Runs programs that are installed on this machine."""

    binary: str = ""
    """Path of the program in place of the one that the adapter finds."""

    def find(self, adapter: Adapter) -> Program | Missing:
        """Return the program that the adapter finds, or the other one that was named."""
        return Program((self.binary,)) if self.binary else adapter.find()

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """Return the command, confined if a folder is given, because checks also open logs and create folders."""
        return command if folder is None else self.kept_in(command, folder)

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """Return the command run by the Linux-only launcher. Without a folder, files are not confined."""
        if sys.platform != "linux":
            return command
        return Command(launched(command.argv, folder), command.environment)


def prepare(choice: Choice, wanted: Wanted, folder: Path, place: Place | None = None) -> Prepared | None:
    """Write the balancer's files into `folder` and let the program check them. Return None if it runs elsewhere.

    Raise `MissingProgramError`, `RejectedConfigError` with the program's output, or `BadArgumentsError`.
    """
    place = place or ThisMachine(choice.binary)
    if choice.url:
        return None
    health_url = f"http://{wanted.listen}{choice.health}"
    if choice.command:
        values = wanted.placeholders(folder)
        argv = tuple(fill(word, values, "the command") for word in _split(choice.command))
        if shutil.which(argv[0]) is None:
            raise BadArgumentsError(f"{argv[0]} is not a program", "give the command that starts your balancer")
        own = place.kept_in(Command(argv, {f"LAB_{name}": value for name, value in values.items()}), folder)
        return Prepared(own.argv, own.environment, health_url)
    adapter = find_adapter(choice.adapter)
    program = _installed(adapter, place)
    spec = spec_of(choice, wanted)
    if not choice.files:
        adapter.render(spec, folder)
        _check(adapter.name, adapter.check(program, folder), folder, place)
        command = adapter.command(program, spec, folder)
        early = adapter.own_files is not None and bool(adapter.own_files.loaded_path)
        return Prepared(command.argv, command.environment, adapter.ready(spec)[-1], early=early)
    if adapter.own_files is None:
        raise BadArgumentsError(f"{adapter.name} cannot run a user's own file", "--balancers, or --balancer-cmd")
    files = adopt(adapter.own_files, choice.texts(), choice.replace, wanted.placeholders(folder), folder)
    check, command = adapter.own_files.commands(program, files)
    try:
        _check(adapter.name, check, folder, place)
    except RejectedConfigError as error:
        if not choice.pool:
            raise
        raise _explained(error, adapter, program, choice, folder, place) from error
    command = place.kept_in(command, folder)
    loaded = adapter.own_files.loaded_path
    known = loaded if choice.pool else ""
    return Prepared(command.argv, command.environment, health_url, known, early=bool(loaded) and not known)


def _explained(
    error: RejectedConfigError, adapter: Adapter, program: Program, choice: Choice, folder: Path, place: Place
) -> RejectedConfigError:
    """Return the error with a text that says who has made the mistake: the user, or the lab when it changed the files.

    The program also checks the user's unchanged files. It may refuse them for reasons that do not matter here, such as
    a user or a name that this machine does not have. So it is the user's mistake only if both outputs have a line with
    the same complaint.
    """
    assert adapter.own_files is not None
    originals = [Path(each) for each in choice.files]
    try:
        _check(adapter.name, adapter.own_files.commands(program, originals)[0], folder, place, most=None)
        theirs: tuple[str, ...] = ()
    except RejectedConfigError as other:
        theirs = other.details
    if same := same_words(error.details, theirs):
        return RejectedConfigError(f"{adapter.name} rejects its configuration: your own file, too", "correct it", same)
    return RejectedConfigError(
        f"{adapter.name} rejects its configuration, and not your own file: the lab changed it wrongly",
        "report this with the output of lab compare --show-changes FOLDER; meanwhile, use --replace",
        error.details,
    )


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise BadArgumentsError(f"{command}: {error}", "quote the command as for a shell") from error


def spec_of(choice: Choice, wanted: Wanted) -> ProxySpec:
    """Return the specification that an adapter renders. Raise `BadArgumentsError` for an invalid address."""
    backends = tuple(Backend(name, address_of(address)) for name, address in wanted.backends.items())
    return ProxySpec(address_of(wanted.listen), address_of(wanted.admin), backends, level=Level(choice.level))


def address_of(text: str) -> Address:
    """Return `host:port` as an address. Raise `BadArgumentsError` if it is invalid."""
    host, _, port = text.rpartition(":")
    return Address(host, int(port))


def _installed(adapter: Adapter, place: Place) -> Program:
    found = place.find(adapter)
    if isinstance(found, Missing):
        raise MissingProgramError(f"{adapter.name} is not installed", found.install)
    return found


def _check(name: str, check: Command | None, folder: Path, place: Place, most: int | None = _TOLD_LINES) -> None:
    """Let the program check its configuration. Raise `RejectedConfigError` with at most `most` lines of output."""
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
        said = (done.stdout + done.stderr).strip().splitlines()[-(most or 0) :]
        raise RejectedConfigError(f"{name} rejects its configuration", told, tuple(map(inert, said)))
