"""Refuses YAML that is small as text and large as a document, before any of it is built.

Aliases double at each line (the "billion laughs"), and readers of YAML take time that grows with the square of the
depth, or end in Python's recursion limit. The parser's events are counted instead: they cost what the text costs.
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
"""Levels; the deepest field of a scenario is at level 5, and a document for tools may wrap it in a few more."""
MAX_VALUES: Final = 20_000
"""Keys and values once all aliases are written out; the largest scenario of the library has about 100."""
MAX_SCALAR: Final = 16 * 1024
"""Characters of one key or value; a description is a paragraph."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What is too much, and in which line, counted from 1."""

    line: int
    message: str


def excess(text: str) -> Excess | None:
    """Return the first thing that no scenario needs; None where the document is of an ordinary size.

    Raise YAMLError where the text is no YAML.
    """
    try:
        return _Count().of(YAML().parse(text))
    except RecursionError:
        return Excess(1, _too_deep())


class _Count:
    """Values so far: of the document, and of each collection that is not closed yet."""

    def __init__(self) -> None:
        self._open: list[tuple[str | None, int]] = []
        """Anchor of each open collection, and how many values came before it."""
        self._size: dict[str, int] = {}
        """Anchor → the values below it, itself included."""
        self._values = 0

    def of(self, events: Iterable[Event]) -> Excess | None:
        for event in events:
            if problem := self._count(event):
                return Excess(event.start_mark.line + 1, problem)
        return None

    def _count(self, event: Any) -> str:
        match event:
            case AliasEvent():
                if any(anchor == event.anchor for anchor, _ in self._open):
                    return f"alias *{event.anchor[:40]} stands inside of what it names"
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
        if len(self._open) > MAX_DEPTH:
            return _too_deep()
        if self._values > MAX_VALUES:
            return f"holds more than {MAX_VALUES:,} values once its aliases are written out, which no scenario does"
        if isinstance(event, ScalarEvent) and len(event.value) > MAX_SCALAR:
            return f"holds a value of more than {MAX_SCALAR:,} characters, which no scenario does"
        return ""


def _too_deep() -> str:
    return f"is nested deeper than {MAX_DEPTH} levels, which no scenario is"
