"""Refuses YAML whose document would be much larger than its text, before the document is built.

Nested aliases can double the document with each line ("billion laughs"), and the time to read deeply nested YAML grows
with the square of the depth, or exceeds Python's recursion limit. Counting the parser's events instead takes time
proportional to the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

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

MAX_DEPTH: Final = 16
"""Levels of nesting. The deepest field of a scenario is at level 5; tools may wrap a scenario in a few more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document of one kind may hold."""

    kind: str
    depth: int
    """Maximum levels of nesting."""
    values: int
    """Maximum number of keys and values after all aliases are resolved."""
    scalar: int
    """Maximum characters of one key or value."""


SCENARIO: Final = Limits("scenario", MAX_DEPTH, 20_000, 16 * 1024)
"""Limits of a scenario file. The largest file of the library has 100 values, and its longest value is a paragraph."""


@dataclass(frozen=True, slots=True)
class Excess:
    """An exceeded limit, and its line, counted from 1."""

    line: int
    message: str


def find_excess(text: str, limits: Limits = SCENARIO) -> Excess | None:
    """Return the first limit that the document exceeds, or None. Raise YAMLError if the text is not YAML."""
    counter = _Counter(limits)
    try:
        return counter.count_all(YAML().parse(text))
    except RecursionError:
        return Excess(1, counter.too_deep())


class _Counter:
    """Counts the values of a document with all its aliases resolved."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: list[tuple[str | None, int]] = []
        """Anchor of each open collection, and the number of values before it."""
        self._size: dict[str, int] = {}
        """Number of values below each anchor, itself included."""
        self._values = 0

    def count_all(self, events: Iterable[Event]) -> Excess | None:
        for event in events:
            if problem := self._count(event):
                return Excess(event.start_mark.line + 1, problem)
        return None

    def _count(self, event: Any) -> str:
        match event:
            case AliasEvent():
                if any(anchor == event.anchor for anchor, _ in self._open):
                    return f"alias *{event.anchor[:40]} is inside the value that it refers to"
                self._values += self._size.get(event.anchor, 1)
            case MappingStartEvent() | SequenceStartEvent():
                self._open.append((event.anchor, self._values))
                self._values += 1
            case MappingEndEvent() | SequenceEndEvent():
                self._close(*self._open.pop())
            case ScalarEvent():
                self._values += 1
                self._close(event.anchor, self._values - 1)
        return self._too_much(event)

    def _close(self, anchor: str | None, before: int) -> None:
        if anchor is not None:
            self._size[anchor] = self._values - before

    def _too_much(self, event: Event) -> str:
        limits = self._limits
        if len(self._open) > limits.depth:
            return self.too_deep()
        if self._values > limits.values:
            most = f"{limits.values:,} values once its aliases are written out"
            return f"holds more than {most}, which no {limits.kind} does"
        if isinstance(event, ScalarEvent) and len(event.value) > limits.scalar:
            return f"holds a value of more than {limits.scalar:,} characters, which no {limits.kind} does"
        return ""

    def too_deep(self) -> str:
        return f"is nested deeper than {self._limits.depth} levels, which no {self._limits.kind} is"
