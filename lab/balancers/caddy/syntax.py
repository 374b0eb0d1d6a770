"""Segments of a Caddyfile with their places: https://caddyserver.com/docs/caddyfile/concepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Final

from ...errors import BadArgumentsError
from ..configuration import Place
from ..own_files import read
from ..substitution import line_of

_TOKEN: Final = re.compile(
    r"(?P<newline>\r?\n)|(?P<space>[ \t]+|\\\r?\n|\#[^\n]*)"
    r"|<<(?P<mark>\w+)[ \t]*\n(?s:.*?)\n[ \t]*(?P=mark)(?=\s|$)"
    r'|"(?P<double>(?:\\.|[^"\\])*)"|`(?P<back>[^`]*)`|[^\s]+',
)
_ENVIRONMENT: Final = re.compile(r"\{\$(\w+)(?::([^}]*))?\}")
_ARGUMENT: Final = re.compile(r"\{args(?:\.(?P<old>\d+)|\[(?P<one>\d+)\]|\[(?P<from>\d*):(?P<to>\d*)\])\}")


@dataclass(frozen=True, slots=True)
class Word:
    """One token."""

    text: str
    """Without quotes. Environment variables are replaced by their defaults."""
    place: Place


@dataclass(frozen=True, slots=True)
class Segment:
    """A directive, an option or a site: its words, and its block if it has one."""

    words: tuple[Word, ...]
    place: Place
    opened: Place | None = None
    """The brace that opens its block; None without a block."""
    block: tuple[Segment, ...] = ()
    origins: tuple[Segment, ...] = ()
    """The snippets, files and imports through which the segment reached the place where it is used."""

    @property
    def name(self) -> str:
        return self.words[0].text if self.words else ""

    @property
    def text(self) -> str:
        """All words on one line."""
        return " ".join(" ".join(word.text for word in self.words).split())


def parse(path: Path, text: str) -> tuple[Segment, ...]:
    """Return the segments of a file. Raise `BadArgumentsError` with file and line for braces that do not match."""
    lines: list[list[Word]] = []
    tokens: list[Word] = []
    for match in _TOKEN.finditer(text):
        if match["newline"] is not None:
            lines.append(tokens)
            tokens = []
        elif match["space"] is None:
            inner = next((match[name] for name in ("double", "back") if match[name] is not None), match[0])
            value = inner.replace('\\"', '"') if match["double"] is not None else inner
            place = Place(path, line_of(text, match.start()), match.start(), match.end())
            tokens.append(Word(_ENVIRONMENT.sub(lambda found: found[2] or found[0], value), place))
    lines = [line for line in [*lines, tokens] if line]
    joined: list[list[Word]] = []
    for line in lines:
        # A list of site addresses continues on the next line after a comma.
        if joined and joined[-1][-1].text.endswith(",") and _bare(text, joined[-1][-1]):
            joined[-1] += line
        else:
            joined.append(line)
    segments, rest = _block(joined, text)
    if rest:
        raise BadArgumentsError(f"{rest[0][0].place}: `}}` without `{{`", "remove it, or add what it closes")
    return segments


def _bare(text: str, word: Word) -> bool:
    """Return whether the word is written without quotes."""
    return text[word.place.start] not in '"`<'


def _block(lines: list[list[Word]], text: str) -> tuple[tuple[Segment, ...], list[list[Word]]]:
    """Return the segments up to the closing brace, and the lines from it on."""
    segments: list[Segment] = []
    while lines:
        line, lines = lines[0], lines[1:]
        if line[0].text == "}" and _bare(text, line[0]):
            return tuple(segments), [line, *lines]
        last = line[-1]
        first = line[0].place
        if last.text == "{" and _bare(text, last):
            block, lines = _block(lines, text)
            if not lines:
                raise BadArgumentsError(f"{last.place}: the block is never closed", "add `}` on a line of its own")
            closing, *after = lines[0]
            lines = [after, *lines[1:]] if after else lines[1:]
            place = replace(first, end=closing.place.end)
            segments.append(Segment(tuple(line[:-1]), place, last.place, block))
        else:
            segments.append(Segment(tuple(line), replace(first, end=last.place.end)))
    return tuple(segments), []


class Caddyfiles:
    """A Caddyfile and all files that it imports."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.given = files
        self.texts: dict[Path, str] = {}
        self.parsed: dict[Path, tuple[Segment, ...]] = {}
        self.snippets: dict[str, Segment] = {}
        self.options: tuple[Segment, ...] = ()
        """Global options."""
        self.sites: list[Segment] = []
        """Sites with the blocks as they are written; `expanded` follows their imports."""
        self._top(files[0], ())
        self.unused = tuple(path for path in files if path not in self.texts)

    def file(self, path: Path) -> tuple[Segment, ...]:
        """Return the segments of a file, read once."""
        if path not in self.parsed:
            self.texts[path] = read(path)
            self.parsed[path] = parse(path, self.texts[path])
        return self.parsed[path]

    def _top(self, path: Path, above: tuple[Path, ...]) -> None:
        if path in above:
            raise BadArgumentsError(f"{path.name}:1: the file imports itself", f"remove it from {above[-1].name}")
        segments = self.file(path)
        for number, each in enumerate(segments):
            if not each.words and each.opened:
                self.options = each.block
            elif each.name.startswith("(") and each.opened:
                self.snippets[each.name.strip("()")] = each
            elif each.name.startswith("&("):
                self.snippets[each.name] = each
            elif each.name == "import" and each.opened is None:
                for file in self.imported(each):
                    self._top(file, (*above, path))
            elif each.opened is None:
                # A file with one site may leave out its braces: what follows the addresses is the site.
                self.sites.append(
                    Segment(each.words, replace(each.place, end=segments[-1].place.end), None, segments[number + 1 :])
                )
                return
            else:
                self.sites.append(each)

    def imported(self, each: Segment) -> tuple[Path, ...]:
        """Return the files that an `import` names; none for a snippet. Raise `BadArgumentsError` if there is none."""
        if len(each.words) < 2:
            raise BadArgumentsError(f"{each.place}: import what?", "give a file or a snippet")
        pattern = each.words[1].text
        if pattern in self.snippets:
            return ()
        path = Path(pattern.removeprefix("@DIR@/"))
        if not path.is_absolute() and not pattern.startswith("@DIR@/"):
            found = tuple(sorted(file for file in each.place.path.parent.glob(pattern) if file.is_file()))
            if found:
                return found
        parts = path.parts[1:] if path.is_absolute() else path.parts
        for first in range(len(parts)):
            tail = str(Path(*parts[first:]))
            if has_magic(tail) and first and first == len(parts) - 1:
                break
            found = tuple(sorted(file for file in self.given[0].parent.glob(tail) if file.is_file()))
            found = found or tuple(file for file in self.given[1:] if file.match(tail))
            if found:
                return found
        if has_magic(pattern):
            return ()
        raise BadArgumentsError(
            f"{each.place}: import {pattern}: there is no such file or snippet",
            f"copy it beside {self.given[0].name}, or give it with -f",
        )

    def expanded(self, block: Sequence[Segment], origins: tuple[Segment, ...] = ()) -> list[Segment]:
        """Return the segments with those of snippets and files in place of `import`."""
        result = []
        for each in block:
            if each.name == "import":
                if each.place in [origin.place for origin in origins]:
                    raise BadArgumentsError(f"{each.place}: {each.text} imports itself", "remove one of the imports")
                snippet = self.snippets.get(each.words[1].text) if len(each.words) > 1 else None
                sources = [snippet.block] if snippet else [self.file(path) for path in self.imported(each)]
                used = (*origins, each, *((snippet,) if snippet else ()))
                for source in sources:
                    filled = [_fill(one, each.words[2:]) for one in source]
                    result += self.expanded(filled, used)
            else:
                result.append(replace(each, origins=origins))
        return result


def _fill(segment: Segment, arguments: Sequence[Word]) -> Segment:
    """Return the segment with `{args[0]}` and the like replaced by the arguments of an import."""
    words: list[Word] = []
    for word in segment.words:
        match = _ARGUMENT.fullmatch(word.text)
        if match and match["to"] is not None:
            words += arguments[int(match["from"] or 0) : int(match["to"]) if match["to"] else None]
        elif match:
            words += arguments[int(match["one"] or match["old"] or 0) :][:1]
        else:
            text = _ARGUMENT.sub(lambda found: _one(found, arguments), word.text)
            words.append(replace(word, text=text))
    return replace(segment, words=tuple(words), block=tuple(_fill(each, arguments) for each in segment.block))


def _one(found: re.Match[str], arguments: Sequence[Word]) -> str:
    number = int(found["one"] or found["old"] or 0)
    return arguments[number].text if number < len(arguments) else found[0]
