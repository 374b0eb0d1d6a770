"""The language of HAProxy's configuration files: words, lines, sections and their `defaults`.

The rules are those of https://docs.haproxy.org/2.6/configuration.html#2.2 (quoting and escaping), #2.3 (environment
variables) and #4 (`defaults` sections). A backslash does not continue a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import Place
from ..own_files import read

SECTIONS: Final = frozenset(
    {
        *("global", "defaults", "frontend", "backend", "listen", "peers", "resolvers", "mailers", "userlist", "cache"),
        *("program", "ring", "http-errors", "log-forward", "fcgi-app"),
    }
)
PROXIES: Final = frozenset({"frontend", "backend", "listen"})
_PIECE: Final = re.compile(
    r"""(?P<blank>[ \t\r\v\f]+)|(?P<comment>\#.*)|"(?P<weak>(?:\\.|[^"\\])*)"|'(?P<strong>[^']*)'"""
    r"""|\\x(?P<hex>[0-9a-fA-F]{2})|\\(?P<escaped>[ \\\#"'nrt])|(?P<quote>["'])|(?P<plain>[^ \t\r\v\f\#"'\\]+|\\)""",
    re.VERBOSE,
)
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)(?:\[\*\])?(?:-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))")
_ESCAPE: Final = re.compile(r"""\\(?:x(?P<hex>[0-9a-fA-F]{2})|(?P<char>[ \\\#"'nrt$]))""")
_CONTROL: Final = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line; `start` and `end` are offsets in the file's text."""

    value: str
    """Without quotes and escapes, with the values of environment variables."""
    start: int
    end: int
    variables: bool = False
    """Whether the word contains an environment variable."""
    unset: str = ""
    """Name of an environment variable in it that is not set."""


@dataclass(frozen=True, slots=True)
class Line:
    """A directive: a line with at least one word."""

    path: Path
    number: int
    words: tuple[Word, ...]

    def __getitem__(self, index: int) -> str:
        """Return the value of a word; empty if the line is shorter."""
        return self.words[index].value if index < len(self.words) else ""

    @property
    def values(self) -> tuple[str, ...]:
        """Values of all words."""
        return tuple(word.value for word in self.words)

    def place(self, first: int = 0, last: int = -1) -> Place:
        """Return the place of the words from `first` to `last`, both included."""
        return Place(self.path, self.number, self.words[first].start, self.words[last].end)

    def known(self, index: int) -> str:
        """Return the value of a word. Raise `BadArgumentsError` if an environment variable in it is not set."""
        if index < len(self.words) and (name := self.words[index].unset):
            raise unset(name, self)
        return self[index]


@dataclass(slots=True)
class Section:
    """A section and the `defaults` section that applies to it."""

    kind: str
    head: Line
    defaults: Section | None = None
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The section's name; empty for `global` and unnamed `defaults`."""
        return "" if self.kind == "global" or self.head[1] == "from" else self.head[1]

    def chain(self) -> Iterator[Section]:
        """Yield this section, its defaults, and theirs."""
        section: Section | None = self
        while section is not None:
            yield section
            section = section.defaults

    def find(self, *words: str) -> Line | None:
        """Return the line that starts with these words and applies to this section.

        That is the last such line of the section itself, or else of its `defaults`.
        """
        for section in self.chain():
            for line in reversed(section.lines):
                if line.values[: len(words)] == words:
                    return line
        return None

    def own(self, *words: str) -> list[Line]:
        """Return the lines of this section itself that start with these words."""
        return [line for line in self.lines if line.values[: len(words)] == words]

    def applied(self, *words: str) -> list[Line]:
        """Return the lines that start with these words, of the nearest section that has any."""
        return next(filter(None, (section.own(*words) for section in self.chain())), [])

    def option(self, *names: str) -> Line | None:
        """Return the line `option NAME` that applies, unless `no option NAME` is nearer."""
        for section in self.chain():
            for line in reversed(section.lines):
                if line[0] == "option" and line[1] in names:
                    return line
                if line[0] in {"no", "default"} and line[1] == "option" and line[2] in names:
                    return None
        return None


@dataclass(frozen=True, slots=True)
class Files:
    """Everything that was read."""

    texts: Mapping[Path, str]
    sections: tuple[Section, ...]
    conditional: tuple[Line, ...]
    """Lines such as `.if`: both branches are read."""

    def proxies(self, *kinds: str) -> list[Section]:
        """Return the sections of these kinds that are not disabled."""
        return [each for each in self.sections if each.kind in kinds and not each.own("disabled")]


def parse(paths: Sequence[Path], environment: Mapping[str, str]) -> Files:
    """Read the files in this order, as `haproxy -f` does.

    Raise `BadArgumentsError` for an unmatched quote, a directive outside of any section, or an unknown `defaults`.
    """
    texts = {path: read(path) for path in paths}
    variables = dict(environment)
    sections: list[Section] = []
    conditional: list[Line] = []
    defaults: Section | None = None
    for path, text in texts.items():
        inside = False  # a section ends with its file
        for line in _lines(path, text, variables):
            if line[0].startswith("."):
                conditional.append(line)
            elif line[0] in SECTIONS:
                sections.append(Section(line[0], line, _defaults(line, sections, defaults)))
                defaults = sections[-1] if line[0] == "defaults" else defaults
                inside = True
            elif not inside:
                problem = f"{line.path.name}:{line.number}: {line[0]} is outside of any section"
                raise BadArgumentsError(problem, "give a configuration of HAProxy, or the program: nginx=FILE")
            else:
                sections[-1].lines.append(line)
                if line[0] in {"setenv", "presetenv"}:
                    _set(variables, line)
    if not any(section.kind in PROXIES for section in sections):
        raise BadArgumentsError(
            f"{paths[0].name} has no frontend, listen or backend section", "give all files of the configuration"
        )
    return Files(texts, tuple(sections), tuple(conditional))


def unset(name: str, line: Line) -> BadArgumentsError:
    """Return the error for an environment variable that is not set."""
    return BadArgumentsError(
        f"{line.path.name}:{line.number}: the environment variable {name} is not set",
        f"set it for this command, as for HAProxy: {name}=… lab …",
    )


def _defaults(line: Line, sections: Sequence[Section], last: Section | None) -> Section | None:
    """Return the `defaults` that applies to the section: that which `from` names, or the last one before it."""
    if line[0] not in {*PROXIES, "defaults"}:
        return None
    words = line.values[1:]
    if "from" not in words:
        return None if line[0] == "defaults" else last
    name = words[words.index("from") + 1] if words[-1] != "from" else ""
    for section in reversed(sections):
        if section.kind == "defaults" and section.name == name:
            return section
    raise BadArgumentsError(
        f"{line.path.name}:{line.number}: there is no defaults section {name!r} before it", "give all files, in order"
    )


def _set(variables: MutableMapping[str, str], line: Line) -> None:
    if line[0] == "setenv" or line[1] not in variables:
        variables[line[1]] = line[2]


def _lines(path: Path, text: str, variables: Mapping[str, str]) -> Iterator[Line]:
    start = 0
    for number, raw in enumerate(text.split("\n"), 1):
        if words := tuple(_words(path, number, raw, start, variables)):
            yield Line(path, number, words)
        start += len(raw) + 1


def _words(path: Path, number: int, raw: str, start: int, variables: Mapping[str, str]) -> Iterator[Word]:
    value, begin, end, has_variables, missing = "", -1, 0, False, ""
    for piece in _PIECE.finditer(raw):
        kind = piece.lastgroup
        if kind == "quote":
            raise BadArgumentsError(f"{path.name}:{number}: a quote is not closed", "close it, or write \\ before it")
        if kind in {"blank", "comment"}:
            if begin >= 0:
                yield Word(value, start + begin, start + end, has_variables, missing)
            value, begin, has_variables, missing = "", -1, False, ""
            continue
        begin, end = (piece.start() if begin < 0 else begin), piece.end()
        if kind == "weak":
            has_variables = has_variables or _VARIABLE.search(piece["weak"]) is not None
            text, name = _expanded(piece["weak"], variables)
            value, missing = value + text, missing or name
        elif kind == "hex":
            value += chr(int(piece["hex"], 16))
        elif kind == "escaped":
            value += _CONTROL.get(piece["escaped"], piece["escaped"])
        else:
            value += piece[str(kind)]
    if begin >= 0:
        yield Word(value, start + begin, start + end, has_variables, missing)


def _expanded(text: str, variables: Mapping[str, str]) -> tuple[str, str]:
    """Return the text between double quotes with its variables replaced, and the name of one that is not set."""
    missing = ""

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name = match["braced"] or match["bare"]
        if name not in variables and match["default"] is None:
            missing = name
        return variables.get(name, match["default"] or "")

    def char(match: re.Match[str]) -> str:
        return chr(int(match["hex"], 16)) if match["hex"] else _CONTROL.get(match["char"], match["char"])

    parts, end = [], 0
    for escape in _ESCAPE.finditer(text):
        parts += [_VARIABLE.sub(value, text[end : escape.start()]), char(escape)]
        end = escape.end()
    return "".join([*parts, _VARIABLE.sub(value, text[end:])]), missing
