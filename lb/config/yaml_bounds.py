"""How large a YAML text may be in itself and once its aliases are replaced by what they stand for. Pure.

The parser's events are read lazily and no object is built, so what is refused costs nothing beyond the limit.
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
"""Of a file: 10,000 backends in the long spelling take 700 KiB, and a second or two to parse each MiB."""
MAX_DEPTH = 16
"""Lists and mappings within each other; the deepest key of the configuration is at 4."""
MAX_NODES = 100_000
"""Values, with every alias counted as what it stands for: 10,000 backends have 70,000."""

MAX_PLAIN = 4096
"""Characters of a value without quotes. Python refuses a number of 4,300 digits with an error that names no line."""


class BoundsError(Exception):
    """The text goes beyond a limit; `line` starts at 1."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def check(text: str) -> None:
    """Raise `BoundsError`, or what ruamel raises for text that is no YAML."""
    count = _Count()
    for event in YAML(typ="rt").parse(text):
        problem = count.see(event)
        if problem:
            raise BoundsError(event.start_mark.line + 1, problem)


class _Count:
    """What has been seen of one text."""

    def __init__(self) -> None:
        self._nodes = 0
        self._sizes: dict[str, int] = {}
        """Nodes that each anchor stands for."""
        self._opened: list[tuple[str | None, int]] = []
        """Of each open list or mapping: its anchor, and the nodes seen before it."""

    def see(self, event: Event) -> str:
        """Return what is wrong with the text up to this event, or nothing."""
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
            return f"more than {MAX_NODES} values, with aliases counted as what they stand for"
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
