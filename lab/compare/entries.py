"""Turns the options of the command line into the balancers of a comparison."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..balancers import adapter, adapters
from ..balancers.adapter import Command, Missing, OwnFiles, Program
from ..balancers.importing import can_import, collect, guess, has_placeholders, import_files
from ..balancers.own_files import unused
from ..balancers.requirements import Address, Backend, Level, ProxySpec
from ..balancers.selection import HEALTH_PATH, Choice, Place, ThisMachine
from ..balancers.substitution import NAMES
from ..errors import BadArgumentsError, EnvironmentProblemError
from ..runtime.attached.lab_file import load_lab_file
from ..runtime.ports import is_loopback
from .document import OWN, Comparison, Result, label
from .environment import Environment
from .runner import Entry

_PATIENCE_S = 2.0
ENTRY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
"""Valid names of an entry. The name becomes part of a folder's name and of a table."""


def from_adapters(names: Sequence[str], levels: Sequence[str], comparison: Comparison) -> list[Entry]:
    """Return an entry for each balancer and level; record quirks and tunings. Raise `BadArgumentsError`."""
    found = []
    for name in names:
        one = adapter(name)
        for level in levels:
            settings = _level(level)
            found.append(Entry(Choice(name, adapter=name, level=settings.value), level))
            spec = ProxySpec(Address("h", 1), Address("h", 2), (Backend("a", Address("h", 3)),), level=settings)
            quirks = [{"setting": each.setting, "meaning": each.meaning} for each in one.quirks(spec)]
            if comparison.quirks.get(f"{name} {Level.MATCHED}") != quirks:  # `tuned` mostly has the same
                comparison.quirks[f"{name} {level}"] = quirks
        if Level.TUNED.value in levels:
            comparison.tunings[name] = [{"advice": each.advice, "source": each.source} for each in one.tuning]
    return found


_OTHER_KINDS: Final = {"url": "url", "cmd": "command", "lab": "lab_file"}
"""What `--entry NAME=KIND:…` may be besides a program with files → its field in `NamedEntry`."""


@dataclass(frozen=True, slots=True)
class NamedEntry:
    """What `--entry NAME=WHAT` means. With only a program, the lab renders its configuration."""

    name: str
    program: str = ""
    """Name of the adapter; empty if the files have to tell."""
    binary: str = ""
    """Path of another version of the program, on runtime docker an image."""
    files: tuple[str, ...] = ()
    command: str = ""
    url: str = ""
    lab_file: str = ""


def named(words: Sequence[str], replacements: Sequence[str], ports: Sequence[int], runtime: str) -> list[Entry]:
    """Return the entries of `--entry NAME=WHAT` options. Raise `BadArgumentsError`."""
    return from_names(parse_named(words, runtime), replacements, ports)


def parse_named(words: Sequence[str], runtime: str) -> list[NamedEntry]:
    """Return what `--entry NAME=WHAT` options mean.

    WHAT is `[PROGRAM[@BINARY]:]FILE[,FILE…]` (PROGRAM may be left out if the file tells), `PROGRAM[@BINARY]` for our
    rendering of its configuration, `url:URL`, `cmd:COMMAND`, or `lab:FILE` for an attached project. BINARY is the path
    of another version of the program, on runtime docker an image. Raise `BadArgumentsError`, also if a name is given
    twice.
    """
    found: dict[str, NamedEntry] = {}
    for word in words:
        name, separator, what = word.partition("=")
        if not (separator and what and ENTRY_NAME.fullmatch(name)):
            raise BadArgumentsError(f"--entry {word}: expected NAME=WHAT", "such as old=haproxy:prod.cfg")
        if name in found:
            raise BadArgumentsError(f"--entry {name} is given twice", "give every entry a name of its own")
        kind, _, rest = what.partition(":")
        if kind in _OTHER_KINDS:
            if not rest.strip():
                raise BadArgumentsError(f"--entry {word}: {kind} is empty", f"NAME={kind}:…, as docs/peers.md says")
            fields: dict[str, Any] = {_OTHER_KINDS[kind]: rest}
            found[name] = NamedEntry(name, **fields)
        else:
            program, binary, paths = split_program(what)
            if "@" in what and program:
                _expect_binary(name, binary, runtime)
            found[name] = NamedEntry(name, program, binary, tuple(paths.split(",")) if paths else ())
    return [*found.values()]


def from_names(wanted: Sequence[NamedEntry], replacements: Sequence[str], ports: Sequence[int]) -> list[Entry]:
    """Return the entries, in the same order. Raise `BadArgumentsError` if a file or URL cannot be used."""
    own = [each for each in wanted if each.files]
    texts = [f"{each.program}={paths}" if each.program else paths for each in own for paths in [",".join(each.files)]]
    read = iter(from_files(texts, replacements, "--entry"))
    found = [next(read) if each.files else _without_files(each, ports) for each in wanted]
    return [
        replace(entry, choice=replace(entry.choice, name=each.name, binary=each.binary), named=True)
        for each, entry in zip(wanted, found, strict=True)
    ]


def _without_files(wanted: NamedEntry, ports: Sequence[int]) -> Entry:
    if wanted.url:
        return from_url(wanted.url, ports)
    if wanted.command:
        return from_command(wanted.command)
    if wanted.lab_file:
        return from_lab_file(wanted.lab_file)
    return Entry(Choice(wanted.name, adapter=wanted.program), OWN)


def split_program(what: str) -> tuple[str, str, str]:
    """Return program, binary and files of `[PROGRAM[@BINARY]:]FILES`; what is left out is empty.

    If BINARY is an image, it may contain a colon too. The last colon separates FILES only if an existing file follows.
    """
    program, at, rest = what.partition("@")
    if not at or program not in adapters():
        program, separator, rest = what.partition(":")
        return (program, "", rest) if program in adapters() and (separator or not rest) else ("", "", what)
    binary, _, paths = rest.rpartition(":")
    return (program, binary, paths) if binary and Path(paths.split(",")[0]).is_file() else (program, rest, "")


def _expect_binary(name: str, binary: str, runtime: str) -> None:
    if not binary or (runtime == "local" and not os.access(binary, os.X_OK)):
        raise BadArgumentsError(
            f"--entry {name}: {binary or 'nothing after @'} is not a program",
            "PROGRAM@PATH:FILE (on docker PROGRAM@IMAGE:FILE)",
        )


def with_versions(entries: Sequence[Entry], environment: Environment, comparison: Comparison) -> list[Entry]:
    """Record the version of each program. Return the entries; those whose program is missing get a problem."""
    known: dict[tuple[str, str], Result | None] = {}
    for choice in (each.choice for each in entries if each.choice.adapter):
        key = (choice.adapter, choice.binary)
        if key not in known:
            known[key] = _version(choice.adapter, choice.binary, environment.place(*key), comparison)
    return [replace(each, problem=known.get((each.choice.adapter, each.choice.binary))) for each in entries]


def _version(name: str, binary: str, place: Place, comparison: Comparison) -> Result | None:
    one = adapter(name)
    program = Program((binary,)) if binary and isinstance(place, ThisMachine) else place.find(one)
    if isinstance(program, Missing):
        return Result(name, "", "", 0, "missing", f"{name} is not installed", program.install)
    try:
        comparison.versions[f"{name}@{binary}" if binary else name] = one.version(
            Program(place.reached(Command(program.argv)).argv)
        )
    except EnvironmentProblemError as error:
        return Result(name, "", "", 0, "failed", str(error), error.next_step, error.details)
    return None


def from_files(configs: Sequence[str], replacements: Sequence[str], option: str = "--config") -> list[Entry]:
    """Return an entry for each `[NAME=]FILE[,FILE…]`, each with a different name.

    Raise `BadArgumentsError` also if a text to be replaced is in none of the files: it may be a typing error, and the
    file would still contain the production address.
    """
    pairs = tuple(_replacement(each) for each in replacements)
    found = [_files(text, option) for text in configs]
    missed = unused(pairs, (path for _, paths in found for path in paths)) if found else []
    for old, part in missed:
        where = f"; it is part of a longer word at {part}" if part else ""
        raise BadArgumentsError(
            f"--replace: {old!r} does not occur in any file of {option} as a whole word{where}",
            "give the address as the file writes it",
        )
    titles = distinct_titles([(name, paths[0]) for name, paths in found])
    return [
        Entry(Choice(title, adapter=name, files=tuple(map(str, paths)), replace=pairs), OWN)
        for title, (name, paths) in zip(titles, found, strict=True)
    ]


def with_routes(entries: Sequence[Entry], frontend: str, pool: str) -> list[Entry]:
    """Return the entries with the number of backends, and with a route if the lab imports their files.

    Files are imported if they have no placeholders and nothing is to be replaced. `frontend` and `pool` choose the
    route where there are several. Raise `BadArgumentsError` if no route can be chosen.
    """
    found = [replace(each, choice=_routed(each.choice, frontend, pool)) for each in entries]
    most = max((each.choice.backends for each in found), default=0)
    return [
        each
        if each.choice.backends or each.choice.files or each.choice.url
        else replace(each, choice=replace(each.choice, backends=most))
        for each in found
    ]


def _routed(choice: Choice, frontend: str, pool: str) -> Choice:
    paths = [Path(each) for each in choice.files]
    if not paths or choice.replace or has_placeholders(paths) or not can_import(adapter(choice.adapter).own_files):
        return choice
    route = import_files(choice.adapter, paths, frontend, pool).route
    prefix = route.listener.path.rstrip("/")
    return replace(
        choice,
        prefix=prefix,
        health=prefix + HEALTH_PATH if choice.health == HEALTH_PATH else choice.health,
        listener=str(route.listener.place),
        pool=str(route.pool.place),
        backends=len(route.pool.servers),
        host=choice.host or route.listener.host,
    )


def note_sources(entries: Sequence[Entry], comparison: Comparison) -> None:
    """Record for each balancer of a user's own a hash of what it is: program, files, command, URL.

    Raise `BadArgumentsError` if an earlier run under that name used something else.
    """
    for entry in entries:
        if entry.settings != OWN:
            continue
        choice = entry.choice
        digest = hashlib.sha256(repr((choice.adapter, choice.binary, choice.command, choice.url)).encode())
        if choice.lab_file:
            digest.update(Path(choice.lab_file).read_bytes())
        for text in choice.texts().values():
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest())
        if comparison.sources.setdefault(choice.name, digest.hexdigest()) != digest.hexdigest():
            raise BadArgumentsError(
                f"{choice.name} is in the comparison already, with other content", "give the new one a different name"
            )


def note_baseline(wanted: str, entries: Sequence[Entry], comparison: Comparison) -> None:
    """Record the entry with which the others are compared: the wanted one, else the first of `--entry`.

    Raise `BadArgumentsError` if there is no entry of that name.
    """
    known = {each.choice.name: label(each.choice.name, each.settings) for each in entries}
    known |= {name: name for name in known.values()}
    known |= {name: name for name in (label(each.balancer, each.settings) for each in comparison.results)}
    if wanted and wanted not in known:
        raise BadArgumentsError(f"--baseline {wanted}: there is no such entry", f"there are {', '.join(known)}")
    first = next((each.choice.name for each in entries if each.named), "")
    comparison.baseline = known[wanted] if wanted else comparison.baseline or first


def distinct_titles(files: Sequence[tuple[str, Path]]) -> list[str]:
    """Return a distinct name for each (program, main file), such as `haproxy (old.cfg)`, with folders if needed."""
    titles = []
    for number, (name, path) in enumerate(files):
        others = [other for each, other in files if each == name and other != path]
        depth = 1
        while any(path.parts[-depth:] == other.parts[-depth:] for other in others) and depth < len(path.parts):
            depth += 1
        before = files[:number].count((name, path))
        again = f" #{before + 1}" if before else ""
        titles.append(f"{name} ({Path(*path.parts[-depth:])}{again})")
    return titles


def _files(text: str, option: str) -> tuple[str, list[Path]]:
    name, _, files = text.rpartition("=")
    name = name or guess(files.split(","))
    if name not in adapters():
        raise BadArgumentsError(
            f"{option} {text}: cannot tell which balancer it is for", f"NAME=FILE, with one of {', '.join(adapters())}"
        )
    return name, collect(files.split(","), adapter(name).own_files or OwnFiles())


def _replacement(text: str) -> tuple[str, str]:
    old, separator, new = text.rpartition("=")
    if not (separator and old and new):
        raise BadArgumentsError(f"--replace {text}: expected OLD=NAME, such as 10.0.0.5:80=BACKEND_1")
    if NAMES.fullmatch(new) is None:
        raise BadArgumentsError(f"--replace {text}: {new} is no placeholder", "docs/peers.md lists them")
    return old, new


def from_command(text: str) -> Entry:
    """Return an entry for a command line with placeholders. Raise `BadArgumentsError` if it is empty."""
    if not text.strip():
        raise BadArgumentsError("--balancer-cmd is empty", "give the command that starts your balancer (docs/peers.md)")
    return Entry(Choice("own command", command=text), OWN)


def from_url(url: str, ports: Sequence[int]) -> Entry:
    """Return an entry for a running balancer. Raise `BadArgumentsError` unless it is on loopback and listens."""
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError as error:
        raise BadArgumentsError(f"--balancer-url {url}: {error}") from error
    if parts.scheme != "http" or not parts.hostname or not is_loopback(parts.hostname):
        raise BadArgumentsError(
            f"--balancer-url {url}: expected http:// and an address of this machine's loopback",
            "the lab sends its traffic to loopback only; forward a port of 127.0.0.1 to your balancer",
        )
    if len(ports) != 3:
        raise BadArgumentsError(
            f"--balancer-url needs three --backend-port, got {len(ports)}", "the ports that your balancer forwards to"
        )
    try:
        socket.create_connection((parts.hostname, port), _PATIENCE_S).close()
    except OSError as error:
        reason = f"nothing listens there ({error.strerror or error})"
        raise BadArgumentsError(f"--balancer-url {url}: {reason}", "start your balancer first") from error
    return Entry(Choice("own url", url=url.rstrip("/"), relay_ports=tuple(ports)), OWN)


def from_lab_file(name: str) -> Entry:
    """Return an entry for an attached compose project. Raise `BadArgumentsError` if its lab file is not valid."""
    return Entry(Choice("attached", lab_file=str(load_lab_file(Path(name)).path)), OWN)


def check_runtime(chosen: Sequence[Entry], runtime: str) -> None:
    """Raise `BadArgumentsError` if an entry cannot run on this runtime."""
    for choice in (each.choice for each in chosen):
        if runtime == "attached" and not choice.lab_file:
            raise BadArgumentsError(
                f"{choice.name} is no attached project", "--balancers none --entry NAME=lab:FILE for each project"
            )
        if choice.lab_file and runtime != "attached":
            raise BadArgumentsError(f"{choice.name} is an attached project", "add --runtime attached")


def images(words: Sequence[str]) -> Mapping[str, str]:
    """Parse `NAME=IMAGE` options. Raise `BadArgumentsError` for an unknown name or a missing image."""
    found = {}
    for word in words:
        name, separator, image = word.partition("=")
        if not (separator and image and name in adapters()):
            raise BadArgumentsError(f"--image {word}: expected NAME=IMAGE", f"NAME is one of {', '.join(adapters())}")
        found[name] = image
    return found


def _level(text: str) -> Level:
    try:
        return Level(text)
    except ValueError:
        raise BadArgumentsError(f"there are no settings {text!r}", f"choose from {', '.join(Level)}") from None
