"""Replaces placeholders and whole words in a user's file, all in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..errors import BadArgumentsError

NAMES: Final = re.compile(r"(?:LISTEN|ADMIN|BACKEND_[1-9]\d*)(?:_HOST|_PORT)?|BACKENDS|DIR|HEALTH")
"""Names of placeholders. How many backends exist is known only when the lab starts."""
_PLACEHOLDER: Final = r"@(?P<placeholder>[A-Z][A-Z0-9_]*)@"
_BEFORE: Final = r"[\w.:*\]-]"
"""Characters that may not precede a replaced text: `:80` is not a whole word in `*:80`, `[::]:80` or `10.0.0.5:80`."""
_AFTER: Final = r"[\w.:-]"
"""Characters that may not follow a replaced text: `10.0.0.5:80` is not a whole word in `10.0.0.5:8080`."""
_PART_LONG: Final = 60
"""Maximum number of characters quoted in a message: enough for an address, and it fits on a line."""


def line_of(text: str, offset: int) -> int:
    """Return the number of the line that contains the character at `offset`, counted from 1."""
    return text.count("\n", 0, offset) + 1


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Replace each `@NAME@` by its value. Raise `BadArgumentsError` for an unknown name."""
    return Substitution(()).apply(text, values, where)


class Substitution:
    """Texts to replace, each with the name of a placeholder."""

    def __init__(self, replace: Iterable[tuple[str, str]]) -> None:
        # The longest text comes first, so that the more specific of two texts that begin at one place is replaced.
        self._pairs = sorted(dict(replace).items(), key=lambda pair: -len(pair[0]))
        wholes = [f"(?P<w{n}>(?<!{_BEFORE}){re.escape(old)}(?!{_AFTER}))" for n, (old, _) in enumerate(self._pairs)]
        apart = [pattern for n, (old, name) in enumerate(self._pairs) for pattern in _apart(n, old, name)]
        self._wanted = re.compile("|".join([*wholes, *apart]) or r"(?!)")
        self._pattern = re.compile("|".join([_PLACEHOLDER, *apart, *wholes]))

    def occurs(self, text: str) -> bool:
        """Return whether any of the texts occurs as a whole word."""
        return self._wanted.search(text) is not None

    def parts(self, text: str) -> Iterator[str]:
        """Yield each place where one of the texts is part of a longer word, as `LINE: word`."""
        for old, _ in self._pairs:
            for match in re.finditer(rf"\S*{re.escape(old)}\S*", text):
                yield f"{line_of(text, match.start())}: {match[0][:_PART_LONG]}"

    def apply(self, text: str, values: Mapping[str, str], where: str) -> str:
        """Return the text with placeholders and texts replaced by values; values are never replaced again.

        Raise `BadArgumentsError` for an unknown placeholder.
        """

        def value(name: str, line: int, word: str) -> str:
            if name not in values:
                known = ", ".join(f"@{each}@" for each in values)
                raise BadArgumentsError(f"{where}:{line}: {word} is not a placeholder", f"the placeholders are {known}")
            return values[name]

        def replaced(match: re.Match[str]) -> str:
            line = line_of(text, match.start())
            if (name := match["placeholder"]) is not None:
                return value(name, line, match[0])
            group = match.lastgroup or ""
            name = self._pairs[int(re.sub(r"\D", "", group))][1]
            if group.startswith("w"):
                return value(name, line, name)
            return _fill_apart(match, value(f"{name}_HOST", line, name), value(f"{name}_PORT", line, name))

        return self._pattern.sub(replaced, text)


def _apart(number: int, old: str, name: str) -> Iterator[str]:
    """Yield patterns of an address whose host and port are two adjacent YAML or JSON fields, in either order."""
    host, separator, port = old.rpartition(":")
    if not (separator and host and port.isdigit()) or name.endswith(("_HOST", "_PORT")) or "/" in host:
        return
    key = r"""["']?{0}["']?\s*:\s*["']?"""
    hosts, ports = key.format("(?:address|host|hostname)"), key.format("(?:port_value|port)")
    other = r"""["']?[\s,]+"""
    end = r"(?![\w.-])"
    yield f"(?P<h{number}>{hosts}{re.escape(host)}{other}{ports}{port}{end})"
    yield f"(?P<p{number}>{ports}{port}{other}{hosts}{re.escape(host)}{end})"


def _fill_apart(match: re.Match[str], host: str, port: str) -> str:
    keyed = re.compile(r"""(?P<key>["']?(?P<field>\w+)["']?\s*:\s*["']?)[^\s"',}]+""")
    return keyed.sub(lambda part: part["key"] + (port if part["field"].startswith("port") else host), match[0])
