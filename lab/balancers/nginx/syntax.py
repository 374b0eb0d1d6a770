"""Directives of nginx files with their places, and the files that they include.

crossplane (https://pypi.org/project/crossplane/) parses each file and checks it. It tells only the line of a directive,
so the characters come from a scan of the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from glob import has_magic
from pathlib import Path
from typing import Any, Final

import crossplane

from ...errors import BadArgumentsError
from ..configuration import Place
from ..own_files import read
from ..substitution import line_of

TABLES: Final = ("map", "geo", "types", "split_clients", "charset_map")
"""Blocks whose lines are pairs of values instead of directives."""
_OPTIONAL: Final = ("mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params", "koi-utf", "koi-win")
"""Files that come with nginx and decide nothing about failover, so a copy of a configuration may lack them."""
_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[{};]|(?:\$\{[^}\s]*\}|\\.|[^\s{};\\])+""", re.DOTALL
)
_LUA: Final = re.compile(r"""--[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[{}]""")
_IN_FILE: Final = re.compile(r" in \S.*?(?::\d+)?$")


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive, with its block if it has one."""

    name: str
    arguments: tuple[str, ...]
    """Its arguments, without quotes."""
    place: Place
    """Place of the whole directive, with its semicolon or block."""
    values: Place
    """Its arguments as the file writes them; empty, after the name, if there are none."""
    opened: Place | None
    """The brace that opens its block; None without a block."""
    block: tuple[Directive, ...] = ()
    included: tuple[Path, ...] | None = None
    """Files that an `include` reads; None for all other directives."""
    as_written: bool = False
    """Whether an `include` needs no change in the lab's copy of the main file's folder, because it names files below
    that folder by a relative path."""

    @property
    def text(self) -> str:
        """Name and arguments on one line."""
        return " ".join(" ".join((self.name, *self.arguments)).split())


@dataclass
class Files:
    """The directives of a main file and of all files that it includes."""

    texts: dict[Path, str] = field(default_factory=dict)
    """Text of each file, the main file first."""
    parsed: dict[Path, tuple[Directive, ...]] = field(default_factory=dict)
    main: tuple[Directive, ...] = ()
    spare: tuple[Path, ...] = ()
    """Given files that an `include` may also find if only their names match its pattern."""
    unused: tuple[Path, ...] = ()
    """Given files that no other file includes."""

    def children(self, directives: Sequence[Directive]) -> Iterator[Directive]:
        """Yield the directives with those of included files in place of `include`."""
        for each in directives:
            if each.included is None:
                yield each
            for path in each.included or ():
                yield from self.children(self.parsed[path])


def parse(files: Sequence[Path]) -> Files:
    """Return the directives of the main file, which comes first, and of what it includes.

    Raise `BadArgumentsError` for a file that cannot be read, is missing, or is not of nginx's language.
    """
    found = Files()
    _parse(files[0], files, found, ())
    left = tuple(path for path in files if path not in found.texts)
    if left:
        # A pattern whose folder has no copy means those of the remaining files whose names it matches.
        found = Files(spare=left)
        _parse(files[0], files, found, ())
    found.main = found.parsed[files[0]]
    found.unused = tuple(path for path in files if path not in found.texts)
    for path in found.unused:
        found.texts[path] = read(path)
    return found


def _parse(path: Path, given: Sequence[Path], found: Files, above: tuple[Path, ...]) -> None:
    """Parse the file and the files that it includes, and add them to `found`. `above` has the files that include this
    one, directly or indirectly."""
    if path in above:
        raise BadArgumentsError(f"{path.name}:1: the file includes itself", f"remove the include from {above[-1].name}")
    if path in found.parsed:
        return
    text = found.texts.setdefault(path, read(path))
    payload = crossplane.parse(str(path), single=True, check_ctx=not above)
    for error in payload["errors"]:
        line = error["line"] or line_of(text, len(text.rstrip()))
        told = _told(error["error"])
        step = "give the main file first" if told.endswith("not allowed here") else f"`nginx -t -c {path}` says more"
        raise BadArgumentsError(f"{path.name}:{line}: {told}", step)
    tokens = _tokens(text)
    found.parsed[path] = _placed(payload["config"][0]["parsed"], tokens, path, text, (given, found.spare))
    for each in _includes(found.parsed[path]):
        for file in each.included or ():
            _parse(file, given, found, (*above, path))


def _told(error: str) -> str:
    text = _IN_FILE.sub("", error)
    return text if text and "StopIteration" not in text else "the file ends within a directive"


def _includes(directives: Sequence[Directive]) -> Iterator[Directive]:
    for each in directives:
        if each.included is not None:
            yield each
        yield from _includes(each.block)


def _tokens(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each word, string, brace and semicolon. A block of Lua code is one word."""
    at, lua = 0, False
    while match := _TOKEN.match(text, at):
        at = match.end()
        if match["skip"] is not None:
            continue
        if lua and match[0] == "{":
            at = _lua_end(text, match.start())
            yield match.start(), at
            yield at, at
            lua = False
            continue
        lua = match[0].endswith("_by_lua_block")
        yield match.span()


def _lua_end(text: str, start: int) -> int:
    depth = 0
    for match in _LUA.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth and match[0] == "}":
            return match.end()
    return len(text)


def _placed(
    parsed: Sequence[Mapping[str, Any]],
    tokens: Iterator[tuple[int, int]],
    path: Path,
    text: str,
    given: tuple[Sequence[Path], Sequence[Path]],
) -> tuple[Directive, ...]:
    """Return the directives that crossplane found, with the places that `tokens` say."""

    def place(start: int, end: int) -> Place:
        return Place(path, line_of(text, start), start, end)

    directives = []
    for raw in parsed:
        start, name_end = next(tokens)
        words = []
        for word in tokens:
            if text[slice(*word)] in ("{", ";", ""):
                break
            words.append(word)
        opened, end = None, word[1]
        block: tuple[Directive, ...] = ()
        if "block" in raw:
            opened = place(*word)
            block = _placed(raw["block"], tokens, path, text, given)
            end = next(tokens)[1]
        values = place(words[0][0], words[-1][1]) if words else place(name_end, name_end)
        included, as_written = None, False
        if raw["directive"] == "include":
            included, as_written = _included(raw["args"][0], *given, place(start, end))
        directives.append(
            Directive(
                raw["directive"], tuple(raw["args"]), place(start, end), values, opened, block, included, as_written
            )
        )
    return tuple(directives)


def _included(
    pattern: str, given: Sequence[Path], spare: Sequence[Path], place: Place
) -> tuple[tuple[Path, ...], bool]:
    """Return the files that the pattern of an `include` means, and `Directive.as_written`.

    The main file may be a copy of a production file. So `/etc/nginx/conf.d/*.conf` means `conf.d/*.conf` beside the
    main file, or a given file whose path ends like that. Raise `BadArgumentsError` if there is none, or several for one
    name."""
    main, magic = given[0], has_magic(pattern)
    absolute = pattern.startswith(("/", "@DIR@/"))
    parts = Path(pattern.removeprefix("@DIR@/")).parts[1 if pattern.startswith("/") else 0 :]
    # `*.conf` alone would find files of any folder, so a pattern keeps at least one folder.
    shortest = max(1, len(parts) - 1) if magic else len(parts)
    tails = [str(Path(*parts[first:])) for first in range(shortest)]
    for tail in [] if pattern.startswith("@DIR@") else tails if absolute else tails[:1]:
        beside = (each for each in main.parent.glob(tail) if each.is_file() and (each != main or not magic))
        if files := tuple(sorted(beside)):
            return files, not absolute
    for tail in tails:
        files = tuple(each for each in given[1:] if fnmatch(str(each), f"*/{tail}") or fnmatch(str(each), tail))
        if len(files) > 1 and not magic:
            several = " or ".join(map(str, files))
            raise BadArgumentsError(f"{place}: include {pattern} could be {several}", "give only one of these files")
        if files:
            return files, False
    if magic or parts[-1] in _OPTIONAL:
        return tuple(each for each in spare if fnmatch(each.name, parts[-1])), False
    raise BadArgumentsError(
        f"{place}: include {pattern}: there is no such file beside {main.name}, nor among the files given",
        f"copy it to {main.parent / tails[-1]}, or give it with -f",
    )
