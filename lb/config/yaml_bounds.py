"""Limits on the size of a YAML text, also after its aliases are expanded. Pure.

The parser's events are read one by one and no object is built, so a refused text costs nothing beyond the limit.
"""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

MAX_BYTES = 1024 * 1024
"""Longest file. 10,000 backends in the long form take 700 KiB. Parsing takes a second or two per MiB."""
MAX_DEPTH = 16
"""Levels of nested lists and mappings. The deepest key of the configuration is at level 4."""
MAX_NODES = 100_000
"""Maximum number of values, with aliases expanded. 10,000 backends have 70,000."""

MAX_PLAIN = 4096
"""Longest value without quotes, in characters. Python itself refuses numbers of more than 4,300 digits, but its error
would not name the line."""


class BoundsError(Exception):
    """The text exceeds a limit. `line` starts at 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def check(text: str) -> None:
    """Raise BoundsError if the text exceeds a limit, or ruamel's error if it is not valid YAML."""
    count = _Count()
    for event in YAML(typ="rt").parse(text):
        problem = count.see(event)
        if problem:
            raise BoundsError(event.start_mark.line + 1, problem)


class _Count:
    """Counts the values and levels of one text."""

    def __init__(self) -> None:
        self._nodes = 0
        self._sizes: dict[str, int] = {}
        """Number of values of each anchor, with aliases expanded."""
        self._opened: list[tuple[str | None, int]] = []
        """For each open list or mapping: its anchor, and the number of values before it."""

    def see(self, event: Event) -> str:
        """Return the problem of the text up to this event, or an empty string."""
        problem = ""
        match event:
            case SequenceStartEvent() | MappingStartEvent():
                self._opened.append((event.anchor, self._nodes))
                self._nodes += 1
            case SequenceEndEvent() | MappingEndEvent():
                anchor, before = self._opened.pop()
                self._name(anchor, self._nodes - before)
            case ScalarEvent():
                problem = self._scalar(event)
            case AliasEvent():
                problem = self._alias(event.anchor)
        if len(self._opened) > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH} levels"
        if self._nodes > MAX_NODES:
            return f"more than {MAX_NODES} values, with aliases expanded"
        return problem

    def _scalar(self, event: ScalarEvent) -> str:
        self._nodes += 1
        self._name(event.anchor, 1)
        too_long = event.implicit[0] and len(event.value) > MAX_PLAIN
        return f"a value without quotes is longer than {MAX_PLAIN} characters" if too_long else ""

    def _alias(self, anchor: str) -> str:
        self._nodes += self._sizes.get(anchor, 1)
        return f"*{anchor} contains itself" if any(one == anchor for one, _ in self._opened) else ""

    def _name(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._sizes[anchor] = size
