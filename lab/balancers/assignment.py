"""Gives entries of YAML, JSON and TOML documents a value, whether they are there or not, and changes nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from .configuration import Edit
from .documents import Node, absent

_UNQUOTED: Final = re.compile(r"/?[A-Za-z0-9_][\w./-]*")
_ODD: Final = re.compile(r"(?i:true|false|yes|no|on|off|null|y|n)|[\d.]+")
"""Texts that YAML would read as something else."""


def assigned(values: Iterable[tuple[Node, tuple[str, ...], Any]]) -> list[Edit]:
    """Return the edits that give entries these values, whether they are there or not.

    Each item has a node, the keys below it (a number for an item of a list), and a text, number, list or dictionary.
    In TOML the node must be the document. New entries come after the first one of their mapping.
    """
    found: list[Edit] = []
    new: dict[int, tuple[Node, tuple[str, ...], dict[str, Any]]] = {}
    for root, keys, value in values:
        node, rest = root, list(keys)
        while rest and (below := _child(node, rest[0])):
            node = below
            del rest[0]
        if not rest:
            found.append(node.edit(_written(value, node), "changed"))
            continue
        walked = keys[: len(keys) - len(rest)]
        draft = new.setdefault(id(node), (node, walked, {}))[2]
        for key in rest[:-1]:
            draft = draft.setdefault(key, {})
        draft[rest[-1]] = value
    return [*found, *(_added(node, walked, entries) for node, walked, entries in new.values())]


def _child(node: Node, key: str) -> Node:
    if isinstance(node.value, list):
        items = node.listing()
        return items[int(key)] if key.isdigit() and int(key) < len(items) else absent()
    return node.at(key)


def _added(node: Node, walked: tuple[str, ...], entries: dict[str, Any]) -> Edit:
    """Return the addition of entries to a mapping."""
    node = node.target or node
    if node.toml and not node.flow:
        return _added_toml(node, walked, entries)
    own = sorted((each for each in node.mapping().values() if node.start <= each.key_start < node.end), key=_begin)
    if not own:
        return node.edit(_written(entries, node), "added")
    if any(letter.isupper() for key in node.mapping() for letter in key):
        entries = {_camel(key): value for key, value in entries.items()}
    texts = [_entry(key, value, own[0]) for key, value in entries.items()]
    first, text = own[0], node.source
    line = text.rfind("\n", 0, first.key_start) + 1
    before = text[line : first.key_start]
    if node.flow and before.strip():
        return Edit(node.part(own[-1].end, own[-1].end), "".join(f", {each}" for each in texts), "added")
    if node.flow:
        lines = "".join(f"{each},\n{before}" for each in texts)
        return Edit(node.part(first.key_start, first.key_start), lines, "added")
    end = text.find("\n", max(first.end, first.key_end))
    end = len(text) if end < 0 else end - text.startswith("\r\n", end - 1)
    indent = " " * (first.key_start - line)
    return Edit(node.part(end, end), "".join(f"\n{indent}{each}" for each in texts), "added")


def _added_toml(node: Node, walked: tuple[str, ...], entries: dict[str, Any]) -> Edit:
    text = node.source
    if not node.pieces and walked:
        # A table that only headers of tables below it name gets a section of its own.
        lines = "".join(f"{key} = {_written(value, node)}\n" for key, value in entries.items())
        return Edit(node.part(len(text), len(text)), f"\n[{'.'.join(walked)}]\n{lines}", "added")
    start = node.pieces[0][0] if node.pieces else 0
    own = sorted(each.key_start for each in node.mapping().values() if each.key_start > start and not each.pieces)
    line = text.rfind("\n", 0, own[0] if own else start) + 1
    indent = text[line : own[0] if own else start]
    indent = indent if not indent.strip() else ""
    lines = "".join(f"{indent}{key} = {_written(value, node)}\n" for key, value in entries.items())
    if not node.pieces:
        return Edit(node.part(0, 0), lines, "added")
    end = text.find("\n", start) + 1 or len(text)
    return Edit(node.part(end, end), lines if text[end - 1 : end] == "\n" else f"\n{lines}", "added")


def _begin(node: Node) -> int:
    return node.key_start


def _camel(key: str) -> str:
    head, *tail = key.split("_")
    return head + "".join(each.capitalize() for each in tail)


def _entry(key: str, value: Any, beside: Node) -> str:
    name = key if beside.toml else json.dumps(key) if _is_json(beside) else _plain(key)
    return f"{name}{' = ' if beside.toml else ': '}{_written(value, beside)}"


def _is_json(node: Node) -> bool:
    return node.path.suffix == ".json" or node.source.lstrip()[:1] == "{"


def _written(value: Any, beside: Node) -> str:
    """Return the value in one line, in the language of the document."""
    quoted = beside.toml or _is_json(beside)
    if isinstance(value, dict):
        equals = " = " if beside.toml else ": "
        names = ((json.dumps(key) if quoted and not beside.toml else _plain(key)) for key in value)
        texts = (f"{key}{equals}{_written(each, beside)}" for key, each in zip(names, value.values(), strict=True))
        return f"{{{', '.join(texts)}}}"
    if isinstance(value, list):
        return f"[{', '.join(_written(each, beside) for each in value)}]"
    text = str(value)
    if isinstance(value, int) or text.isdigit():
        return text
    return json.dumps(text) if quoted else _plain(text)


def _plain(text: str) -> str:
    """Return a text of YAML, in quotes if it needs them."""
    return text if _UNQUOTED.fullmatch(text) and not _ODD.fullmatch(text) else json.dumps(text)
