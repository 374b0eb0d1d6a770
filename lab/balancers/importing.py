"""Imports a user's own configuration files, whatever the program: what the lab changes in them so that it can run them.

The steps, each of them a function: `collect` finds the files, `guess` names their program, `import_files` reads them
(`OwnFiles.read`), chooses the way from a listener to a pool (`choose`) and asks the program's `OwnFiles.edits` for the
changes. `Imported.texts` applies them in one pass. The result contains placeholders, and goes through
`lab.balancers.own_files.adopt` like a file that was prepared by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from . import adapter as find_adapter
from . import adapters
from .adapter import OwnFiles
from .changes import apply, unified_diff
from .configuration import Configuration, Edit, Listener, Place, Pool, Unknown
from .own_files import layout, read, write
from .substitution import NAMES

FEWEST_SERVERS: Final = 2
MOST_SERVERS: Final = 16
"""Upper limit of a pool's servers. For each one the lab starts a backend: two Python processes with about 75 MiB
together. Each start waits for all of them."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way of requests through the program."""

    listener: Listener
    pool: Pool

    def __str__(self) -> str:
        servers = ", ".join(dict.fromkeys(each.address for each in self.pool.servers))
        way = f"{self.listener.name} ({self.listener.place}) → {self.pool.name} ({self.pool.place})"
        return f"{way}, {len(self.pool.servers)} servers: {servers}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A user's files, the way that was chosen, and what the lab changes."""

    configuration: Configuration
    route: Route
    edits: tuple[Edit, ...]
    """In the order of the files and of the places in them."""

    def texts(self) -> dict[Path, str]:
        """Return all files with the changes."""
        return apply(self.configuration.texts, self.edits)

    def told(self) -> Iterator[str]:
        """Yield one line for each change: place, text before, text after, and reason."""
        for edit in self.edits:
            before = self.configuration.texts[edit.place.path][edit.place.start : edit.place.end]
            yield f"{edit.place}: {_shown(before)} → {_shown(edit.text)} ({edit.reason})"

    def kept_unknown(self) -> list[Unknown]:
        """Return the unknown directives of which nothing is changed."""
        return [
            each for each in self.configuration.unknown if not any(_overlap(each.place, e.place) for e in self.edits)
        ]


def collect(words: Sequence[str], own: OwnFiles) -> list[Path]:
    """Return the files, and for each folder those of its files that `own.in_folder` matches, all absolute.

    Raise `BadArgumentsError` if there is no such file.
    """
    found: list[Path] = []
    for word in words:
        path = Path(word).resolve()
        inside = _in_folder(path, own) if path.is_dir() else [path]
        if not inside:
            raise BadArgumentsError(f"no file in {path} is called {' or '.join(own.in_folder)}", "name the files")
        for each in inside:
            if not each.is_file():
                raise BadArgumentsError(f"there is no file {each}", "give the file of your balancer")
        found += inside
    return list(dict.fromkeys(found))


def _in_folder(folder: Path, own: OwnFiles) -> list[Path]:
    return [each for pattern in own.in_folder for each in sorted(folder.glob(pattern)) if each.is_file()]


def guess(words: Sequence[str]) -> str:
    """Return the adapter's name, guessed from the name of the first file, or from its content. Return an empty string
    if neither identifies a program."""
    own = {name: one.own_files for name, one in adapters().items() if one.own_files is not None}
    first = Path(words[0])
    name = first.name.lower()
    if named := [each for each in own if each in name]:
        return min(named, key=name.index)
    if typical := next((each for each, files in own.items() if re.fullmatch(files.named, name)), ""):
        return typical
    for each, files in own.items():
        paths = [first] if first.is_file() else _in_folder(first, files) if first.is_dir() else []
        if any(re.search(files.content, read(path), re.MULTILINE) for path in paths):
            return each
    return ""


def can_import(own: OwnFiles | None) -> bool:
    """Return whether the program's files can be read (`OwnFiles.read` exists)."""
    return own is not None and type(own).read is not OwnFiles.read


def has_placeholders(files: Sequence[Path]) -> bool:
    """Return whether somebody prepared the files for the lab already."""
    return any(re.search(rf"@(?:{NAMES.pattern})@", read(path)) for path in files)


def import_files(name: str, files: Sequence[Path], frontend: str = "", pool: str = "") -> Imported:
    """Read the files of the adapter `name`, choose the way through them, and return what the lab changes.

    `frontend` and `pool` are names, where the files leave a choice. Raise `BadArgumentsError` if the files cannot be
    read, no way can be chosen, or the lab cannot serve as that pool.
    """
    own = find_adapter(name).own_files
    if own is None or not can_import(own):
        raise BadArgumentsError(
            f"the lab cannot import files of {name}", "use placeholders or --replace (docs/peers.md)"
        )
    configuration = own.read(files)
    route = choose(configuration, frontend, pool)
    if (pinned := route.pool.pinned) is not None:
        raise BadArgumentsError(
            f"{pinned.place}: with `{pinned.value}`, all or nearly all requests of the lab would go to one server",
            f"in a copy of the file, use another policy, such as {own.spreads}",
        )
    order = {path: number for number, path in enumerate(configuration.texts)}
    edits = own.edits(configuration, route.listener, route.pool)
    kept = sorted(edits, key=lambda each: (order[each.place.path], each.place.start, each.place.end))
    for one, other in pairwise(kept):
        if _overlap(one.place, other.place):
            raise AssertionError(f"two changes of the same text: {one} and {other}")
    return Imported(configuration, route, tuple(kept))


def routes(configuration: Configuration) -> list[Route]:
    """Return every way from a listener to a pool that its requests can reach."""
    pools = {pool.name: pool for pool in configuration.pools}
    return [Route(each, pools[name]) for each in configuration.listeners for name in each.pools if name in pools]


def choose(configuration: Configuration, frontend: str = "", pool: str = "") -> Route:
    """Return the only way to a pool of at least two servers that has these names, where they are given.

    A name may be a place, such as `site.conf:12`, and several names may be separated by commas.

    Raise `BadArgumentsError` that lists what was found if there is none or more than one.
    """
    found = routes(configuration)
    where = next(iter(configuration.texts)).name
    named = [each for each in found if _is_named(frontend, each.listener) and _is_named(pool, each.pool)]
    usable = [each for each in named if len(each.pool.servers) >= FEWEST_SERVERS]
    if len(usable) == 1:
        _not_too_many(usable[0].pool)
        return usable[0]
    if usable:
        step = "choose with --frontend NAME, --pool NAME, or both"
        raise BadArgumentsError(f"{where}: requests have several ways:", step, tuple(map(str, usable)))
    if len(named) == 1:
        only = named[0].pool
        raise BadArgumentsError(
            f"{only.place}: {only.name} has {len(only.servers)} server{'s' * (not only.servers)} in use, and failover "
            f"needs at least {FEWEST_SERVERS}",
            "give the file of a pool with more servers",
        )
    if named or not found:
        raise BadArgumentsError(
            f"{where}: no listener leads to a pool of at least {FEWEST_SERVERS} servers", *_what_there_is(configuration)
        )
    wanted = " and ".join(f"--{key} {name}" for key, name in (("frontend", frontend), ("pool", pool)) if name)
    raise BadArgumentsError(f"{where}: no way fits {wanted}; there are:", "give one of these", tuple(map(str, found)))


def _overlap(one: Place, other: Place) -> bool:
    return one.path == other.path and one.start < other.end and other.start < one.end


def _is_named(names: str, one: Listener | Pool) -> bool:
    return not names or any(name in {one.name, str(one.place)} for name in names.split(","))


def _not_too_many(pool: Pool) -> None:
    if len(pool.servers) > MOST_SERVERS:
        raise BadArgumentsError(
            f"{pool.place}: {pool.name} has {len(pool.servers)} servers, and the lab starts at most {MOST_SERVERS} "
            "backends, because each is two processes of together about 75 MiB",
            "take servers out of a copy of the file",
        )


def _what_there_is(configuration: Configuration) -> tuple[str, tuple[str, ...]]:
    """Return the next step, and what was found."""
    listeners = [f"listener {each.name} ({each.place}) → {', '.join(each.pools) or 'no pool'}"
                 for each in configuration.listeners]  # fmt: skip
    pools = [f"pool {each.name} ({each.place}): {len(each.servers)} servers" for each in configuration.pools]
    return "give all files of the configuration, or use --replace (docs/peers.md)", (*listeners, *pools)


def write_changes(imported: Imported, folder: Path) -> list[Path]:
    """Write the changed files and `changes.diff`, a unified diff against the user's files. Return all paths."""
    before, texts = imported.configuration.texts, imported.texts()
    places = layout(list(before))
    lines: list[str] = []
    for path, text in texts.items():
        write(folder / places[path], text)
        lines += unified_diff(before[path], text, f"a/{places[path]}", f"b/{places[path]}")
    write(folder / "changes.diff", "".join(lines))
    return [*(folder / place for place in places.values()), folder / "changes.diff"]


def same_words(ours: Sequence[str], theirs: Sequence[str]) -> tuple[str, ...]:
    """Return the lines with a place in a file (`:LINE`) that a program printed in both outputs.

    Folders, process ids and times differ.
    """

    def plain(line: str) -> str:
        return re.sub(r"[^\s'\"\[(]*/|\(\d+\)|\d+#\d+|\d\d:\d\d:\d\d", "", line)

    known = set(map(plain, theirs))
    return tuple(line for line in ours if plain(line) in known and re.search(r":\d+\b", plain(line)))


def _shown(text: str) -> str:
    return " ⏎ ".join(" ".join(line.split()) for line in text.strip().split("\n")) or "nothing"
