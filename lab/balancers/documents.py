"""YAML, JSON and TOML documents in which every value keeps its place in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent, SequenceStartEvent

from ..errors import BadArgumentsError
from ..output.inert import one_line
from ..scenario.yaml_limits import Limits, find_excess
from .configuration import Edit, Place, Unknown, Value
from .substitution import line_of

T = TypeVar("T")
LIMITS: Final = Limits("configuration", 64, 200_000, 256 * 1024)
"""Limits of a configuration. In Envoy's, routes begin at level 13, and certificates and scripts may be written
inline."""
_NULLS: Final = ("", "~", "null", "Null", "NULL")
LONE: Final = re.compile("[\ud800-\udfff]")
"""Bytes that are not UTF-8, as `own_files.read` decodes them."""
_TO_DASH: Final = re.compile(r"(?:&\S+)?(?:\s|#[^\n]*)*-")
_BARE: Final = re.compile(r"true|false|-?\d+(?:\.\d+)?")


class Node:
    """A value of a document: text, list, mapping or nothing. False if it is absent or null."""

    def __init__(self, path: Path, text: str, start: int, end: int, value: Any = None) -> None:
        self.path = path
        self.source = text
        self.start = start
        self.end = end
        self.value: str | list[Node] | dict[str, Node] | None = value
        self.key_start = start
        """Where its entry in a mapping begins."""
        self.key_end = start
        """End of its key with the colon."""
        self.flow = False
        """Whether it is written in brackets or braces."""
        self.anchor = ""
        self.target: Node | None = None
        """The anchored value that this alias stands for."""
        self.toml = False
        self.pieces: list[tuple[int, int]] = []
        """Sections of a TOML file that make up this table."""

    def __bool__(self) -> bool:
        return self.value is not None

    @property
    def place(self) -> Place:
        """Place of the value, without its key."""
        return _place(self, self.start, self.end)

    def part(self, start: int, end: int) -> Place:
        """Return the place of these characters of the text."""
        return _place(self, start, end)

    def error(self, message: str, next_step: str = "") -> BadArgumentsError:
        """Return an error that names file and line."""
        return BadArgumentsError(f"{self.place}: {message}", next_step)

    def at(self, *names: str) -> Node:
        """Return the value below these keys. Case and underscores do not count. An absent value is a false node."""
        node = self
        for name in names:
            wanted = loose(name)
            found = next((each for key, each in node.mapping().items() if loose(key) == wanted), None)
            if found is None:
                return Node(self.path, self.source, self.start, self.start)
            node = found
        return node

    def mapping(self) -> Mapping[str, Node]:
        """Return the entries. Raise `BadArgumentsError` for a text or a list."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.error("expected a mapping")
        return self.value

    def listing(self) -> Sequence[Node]:
        """Return the items. Raise `BadArgumentsError` for a text or a mapping."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.error("expected a list")
        return self.value

    def string(self, default: str = "") -> str:
        """Return the text. Raise `BadArgumentsError` for a list or a mapping."""
        if self.value is None:
            return default
        if not isinstance(self.value, str):
            raise self.error("expected a single value")
        return self.value

    def walk(self) -> Iterator[Node]:
        """Yield this node and all nodes below it."""
        yield self
        if isinstance(self.value, list | dict):
            for each in self.value if isinstance(self.value, list) else self.value.values():
                yield from each.walk()

    def edit(self, text: str, reason: str) -> Edit:
        """Return the replacement of this value, which must be on one line."""
        text = f"&{self.anchor} {text}" if self.anchor else text
        if "\n" in self.source[self.key_end : self.start]:
            # A block begins below its key. At the indentation of the key, where a list may be, a value is not valid.
            return Edit(_place(self, self.key_end, self.end), f" {text}", reason)
        return Edit(self.place, text, reason)

    def rename(self, text: str, reason: str) -> Edit:
        """Return the replacement of this value together with its key."""
        return Edit(_place(self, self.key_start, self.end), text, reason)

    def insert(self, text: str, reason: str, before: Node | None = None) -> Edit:
        """Return the insertion of an entry on one line before the given entry, else before the mapping's first one."""
        start = before.key_start if before else min(each.key_start for each in self.mapping().values())
        column = start - self.source.rfind("\n", 0, start) - 1
        return Edit(_place(self, start, start), f"{text}, " if self.flow else f"{text}\n{' ' * column}", reason)


def absent() -> Node:
    """Return a node that is not there."""
    return Node(Path(), "", 0, 0)


def _place(node: Node, start: int, end: int) -> Place:
    return Place(node.path, line_of(node.source, start), start, end)


def loose(name: str) -> str:
    """Return a key as Envoy and Traefik compare keys: `connect_timeout` and `connectTimeout` are the same."""
    return name.replace("_", "").lower()


def setting(node: Node, parse: Callable[[Node], T], default: T) -> Value[T]:
    """Return the node's value with its place, or the program's default."""
    return Value(parse(node), node.place) if node else Value(default)


def whole(node: Node) -> int:
    """Return a number of type int. Raise `BadArgumentsError` for anything else."""
    try:
        return int(node.string())
    except ValueError:
        raise node.error(f"expected a whole number, found {one_line(node.string())}") from None


def number(node: Node) -> float:
    """Return a number. Raise `BadArgumentsError` for anything else."""
    try:
        return float(node.string())
    except ValueError:
        raise node.error(f"expected a number, found {one_line(node.string())}") from None


def truth(node: Node) -> bool:
    """Return whether the value is true."""
    return node.string().lower() in ("true", "1", "yes", "on")


def unknown(node: Node, known: str = "", *, among: str = "") -> Iterator[Unknown]:
    """Yield the entries of a mapping whose keys are not in `known`, or are in `among`: names separated by spaces."""
    names = set(map(loose, (among or known).split()))
    for key, each in node.mapping().items():
        if (loose(key) in names) == bool(among):
            yield Unknown(one_line(f"{key}: {dump(each)}"), each.place)


def dump(node: Node) -> str:
    """Return the value in one line of YAML that is also JSON."""
    if node.value is None:
        return "null"
    if isinstance(node.value, str):
        written = node.source[node.start : node.end]
        return written if _BARE.fullmatch(written) else json.dumps(node.value, ensure_ascii=False)
    if isinstance(node.value, list):
        return f"[{', '.join(map(dump, node.value))}]"
    return f"{{{', '.join(f'{json.dumps(key)}: {dump(each)}' for key, each in node.value.items())}}}"


def without(parent: Node, dropped: Iterable[tuple[Node, str]]) -> Iterator[Edit]:
    """Yield the edits that remove some items of a list or entries of a mapping, each with its reason."""
    entries = parent.value or []
    items = sorted(entries.values() if isinstance(entries, dict) else parent.listing(), key=lambda each: each.key_start)
    gone = {id(each): reason for each, reason in dropped}
    if isinstance(entries, list) and items and len(gone) == len(items) and not items[0].pieces:
        yield parent.edit("[]", "; ".join(dict.fromkeys(gone.values())))
        return
    for index, item in enumerate(items):
        if id(item) not in gone:
            continue
        start, end = item.key_start, item.end
        if item.toml and not parent.flow:
            yield from _sections(item, gone[id(item)])
            continue
        if not parent.flow and isinstance(entries, list):
            start = _dash(parent, items[index - 1].end if index else parent.start)
        elif parent.flow and any(id(each) not in gone for each in items[index:]):
            end = items[index + 1].key_start
        elif parent.flow and index:
            start = items[index - 1].end
        yield Edit(_place(item, start, max(end, item.key_end)), "", gone[id(item)])


def _sections(item: Node, reason: str) -> Iterator[Edit]:
    """Yield the edits that remove an entry of TOML, or all sections that make up a table."""
    pieces = [piece for each in item.walk() for piece in each.pieces]
    for start, end in pieces or [(item.key_start, item.end)]:
        yield Edit(_place(item, start, end), "", reason)


def _dash(listing: Node, start: int) -> int:
    """Return the offset of the first dash of a list's item at or after `start`, comments left out."""
    found = _TO_DASH.match(listing.source, start)
    return found.end() - 1 if found else start


def settled(edits: Iterable[Edit], documents: Iterable[Node]) -> list[Edit]:
    """Return the edits in the order of the text, without those inside another one.

    An alias whose anchor is in a replaced part is replaced by the value that it stands for.
    """
    kept = _disjoint(edits)
    for document in documents:
        for node in document.walk():
            target = node.target
            if target is not None and _covers(kept, target) and not _covers(kept, node):
                kept.append(Edit(node.place, dump(target), f"the value of *{target.anchor}, whose anchor is removed"))
    return _disjoint(kept)


def _covers(edits: Iterable[Edit], node: Node) -> bool:
    return any(
        each.place.path == node.path
        and each.place.start <= node.start
        and node.end <= each.place.end
        and not (node.anchor and each.place.start == node.start and each.text.startswith(f"&{node.anchor} "))
        for each in edits
    )


def _disjoint(edits: Iterable[Edit]) -> list[Edit]:
    order = sorted(edits, key=lambda each: (str(each.place.path), each.place.start, -each.place.end))
    kept: list[Edit] = []
    for each in order:
        last = kept[-1].place if kept else None
        if last and last.path == each.place.path and each.place.end <= last.end and each.place.start < last.end:
            continue
        kept.append(each)
    return kept


@lru_cache(maxsize=32)
def read_yaml(path: Path, text: str) -> Node:
    """Return the document, which must not be changed.

    Raise `BadArgumentsError` that names the line if it is not YAML, or too large.
    """
    plain = LONE.sub("?", text)
    try:
        if excess := find_excess(plain, LIMITS):
            raise BadArgumentsError(f"{path.name}:{excess.line}: {excess.message}")
        return _Builder(path, text).build(list(YAML().parse(plain)))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BadArgumentsError(f"{path.name}:{line}: not YAML: {one_line(str(error.problem))}") from error
    except YAMLError as error:
        raise BadArgumentsError(f"{path.name}:1: not YAML: {one_line(str(error))}") from error


class _Builder:
    """Makes nodes of the parser's events."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._anchors: dict[str, Node] = {}

    def build(self, events: list[Any]) -> Node:
        """Return the node of the only document."""
        starts = [each for each in events if type(each).__name__ == "DocumentStartEvent"]
        if len(starts) > 1:
            line = starts[1].start_mark.line + 1
            raise BadArgumentsError(f"{self._path.name}:{line}: a second document begins, and only one is read")
        if not starts:
            return Node(self._path, self._text, 0, 0)
        return self._node(events[2], iter(events[3:]))

    def _node(self, event: Any, events: Iterator[Any]) -> Node:
        node = Node(self._path, self._text, event.start_mark.index, event.end_mark.index)
        if isinstance(event, AliasEvent):
            return self._alias(node, event)
        node.anchor = event.anchor or ""
        if isinstance(event, ScalarEvent):
            plain = event.implicit[0] and not event.style
            node.value = None if plain and event.value in _NULLS else event.value
            if event.style in ("|", ">"):
                node.end = node.start + len(self._text[node.start : node.end].rstrip())
        elif isinstance(event, SequenceStartEvent):
            node.flow = bool(event.flow_style)
            node.value = list(self._items(events, node))
        elif isinstance(event, MappingStartEvent):
            node.flow = bool(event.flow_style)
            node.value = self._entries(events, node)
        if node.anchor:
            self._anchors[node.anchor] = node
        return node

    def _alias(self, node: Node, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise node.error(f"the anchor of *{event.anchor} is not defined above")
        node.target = self._anchors[event.anchor]
        node.value = node.target.value
        return node

    def _after_colon(self, key: Node) -> int:
        return self._text.index(":", key.end) + 1

    def _items(self, events: Iterator[Any], parent: Node) -> Iterator[Node]:
        while True:
            item = self._node_or_end(events, parent)
            if item is None:
                return
            yield item

    def _node_or_end(self, events: Iterator[Any], parent: Node) -> Node | None:
        event = next(events)
        if type(event).__name__ in ("SequenceEndEvent", "MappingEndEvent"):
            if parent.flow:
                parent.end = event.end_mark.index
            return None
        found = self._node(event, events)
        # The parser ends a collection in block style where the next one begins, after blank lines and comments.
        parent.end = found.end
        return found

    def _entries(self, events: Iterator[Any], parent: Node) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: list[Node] = []
        while (key := self._node_or_end(events, parent)) is not None:
            name, value = key.string("null"), self._node(next(events), events)
            value.key_start, value.key_end = key.start, self._after_colon(key)
            if not parent.flow:
                parent.end = max(value.end, value.key_end)
            if name == "<<":
                merged += value.listing() if isinstance(value.value, list) else [value]
            elif name in entries:
                raise key.error(f"{one_line(name)} is there a second time")
            else:
                entries[name] = value
        for each in merged:
            entries = {**each.mapping(), **entries}
        return entries
