"""Replaces placeholders and texts in a user's file, all in one pass, as whole words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..errors import BadArgumentsError

NAMES: Final = re.compile(r"(?:LISTEN|ADMIN|BACKEND_[1-9]\d*)(?:_HOST|_PORT)?|BACKENDS|DIR|HEALTH")
"""The placeholders that a lab has; how many backends it has is known when it starts."""
_PLACEHOLDER: Final = r"@(?P<placeholder>[A-Z][A-Z0-9_]*)@"
_BEFORE: Final = r"[\w.:*\]-]"
"""What may not stand before a replaced text: `:80` is no whole word in `*:80`, `[::]:80` and `10.0.0.5:80`."""
_AFTER: Final = r"[\w.:-]"
"""What may not stand after it: 10.0.0.5:80 is not part of 10.0.0.5:8080."""
_PART_LONG: Final = 60
"""Characters of a quoted part: enough for an address, and one line."""


def line_of(text: str, offset: int) -> int:
    """The number of the line with this character, counted from 1."""
    return text.count("\n", 0, offset) + 1


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Replace `@NAME@` by its value. Raises `BadArgumentsError` for a name that does not exist."""
    return Substitution(()).apply(text, values, where)


class Substitution:
    """Replaced texts, each with the name of a placeholder."""

    def __init__(self, replace: Iterable[tuple[str, str]]) -> None:
        # The longest first: of two that begin at one place, the one that says more is meant.
        self._pairs = sorted(dict(replace).items(), key=lambda pair: -len(pair[0]))
        wholes = [f"(?P<w{n}>(?<!{_BEFORE}){re.escape(old)}(?!{_AFTER}))" for n, (old, _) in enumerate(self._pairs)]
        apart = [pattern for n, (old, name) in enumerate(self._pairs) for pattern in _apart(n, old, name)]
        self._wanted = re.compile("|".join([*wholes, *apart]) or r"(?!)")
        self._pattern = re.compile("|".join([_PLACEHOLDER, *apart, *wholes]))

    def occurs(self, text: str) -> bool:
        """Whether any of the texts is there to be replaced."""
        return self._wanted.search(text) is not None

    def parts(self, text: str) -> Iterator[str]:
        """Where one of the texts stands inside something longer: `LINE: word`."""
        for old, _ in self._pairs:
            for match in re.finditer(rf"\S*{re.escape(old)}\S*", text):
                yield f"{line_of(text, match.start())}: {match[0][:_PART_LONG]}"

    def apply(self, text: str, values: Mapping[str, str], where: str) -> str:
        """The text with values in the place of placeholders and replaced texts; a value is never replaced again.

        Raises `BadArgumentsError` for a placeholder that does not exist.
        """

        def value(name: str, line: int, word: str) -> str:
            if name not in values:
                known = ", ".join(f"@{each}@" for each in values)
                raise BadArgumentsError(f"{where}:{line}: {word} is no placeholder", f"there are {known}")
            return values[name]

        def replaced(match: re.Match[str]) -> str:
            line = line_of(text, match.start())
            if (name := match["placeholder"]) is not None:
                return value(name, line, match[0])
            group = match.lastgroup or ""
            name = self._pairs[int(re.sub(r"\D", "", group))][1]
            if group.startswith("w"):
                return value(name, line, name)
            return _fill_apart(match, group, value(f"{name}_HOST", line, name), value(f"{name}_PORT", line, name))

        return self._pattern.sub(replaced, text)


def _apart(number: int, old: str, name: str) -> Iterator[str]:
    """Patterns of an address whose host and port are two neighbouring YAML or JSON fields, in either order."""
    host, separator, port = old.rpartition(":")
    if not (separator and host and port.isdigit()) or name.endswith(("_HOST", "_PORT")) or "/" in host:
        return
    key = r"""["']?{0}["']?\s*:\s*["']?"""
    hosts, ports = key.format("(?:address|host|hostname)"), key.format("(?:port_value|port)")
    other = r"""["']?[\s,]+"""
    end = r"(?![\w.-])"
    yield f"(?P<h{number}>{hosts}{re.escape(host)}{other}{ports}{port}{end})"
    yield f"(?P<p{number}>{ports}{port}{other}{hosts}{re.escape(host)}{end})"


def _fill_apart(match: re.Match[str], group: str, host: str, port: str) -> str:
    keyed = re.compile(r"""(?P<key>["']?(?P<field>\w+)["']?\s*:\s*["']?)[^\s"',}]+""")
    return keyed.sub(lambda part: part["key"] + (port if part["field"].startswith("port") else host), match[0])
