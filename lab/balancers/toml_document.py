"""Reads TOML so that every value keeps its place, which Python's own parser does not tell."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from ..output.inert import one_line
from .documents import LONE, Node

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r"""[ \t]*([\w-]+|"(?:\\.|[^"\\])*"|'[^']*')[ \t]*(\.?)""")
_SCALAR: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"""+|\'\'\'.*?\'\'\'+|"(?:\\.|[^"\\])*"|'[^']*'|[^\s,\]}#](?:[^,\]}#\n]*[^\s,\]}#])?''',
    re.DOTALL,
)


def read_toml(path: Path, text: str) -> Node:
    """Return the document. Raise `BadArgumentsError` that names the line if it is not TOML."""
    plain = LONE.sub("?", text)
    try:
        tomllib.loads(plain)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        line = found[1] if found else plain.count("\n") + 1
        raise BadArgumentsError(f"{path.name}:{line}: not TOML: {one_line(str(error))}") from error
    return _Scanner(path, text, plain).document()


class _Scanner:
    """Finds the values in a text that is known to be TOML."""

    def __init__(self, path: Path, text: str, plain: str) -> None:
        self._path = path
        self._text = text
        self._plain = plain
        self._at = 0

    def document(self) -> Node:
        """Return the root table."""
        root = self._node(0, len(self._text), {})
        table = root
        while self._skip() < len(self._plain):
            start = self._at
            if self._plain[start] == "[":
                # A section ends where the next one begins.
                if table.pieces:
                    table.pieces[-1] = (table.pieces[-1][0], start)
                table = self._header(root)
                table.pieces.append((start, len(self._text)))
            else:
                self._entry(table)
        return root

    def _node(self, start: int, end: int, value: object) -> Node:
        node = Node(self._path, self._text, start, end, value)
        node.toml = True
        return node

    def _skip(self) -> int:
        found = _SPACE.match(self._plain, self._at)
        self._at = found.end() if found else self._at
        return self._at

    def _header(self, root: Node) -> Node:
        several = self._plain.startswith("[[", self._at)
        start = self._at
        self._at += 2 if several else 1
        *parents, last = self._keys()
        self._at += 2 if several else 1
        table = self._table(root, parents, start)
        if not several:
            return self._table(table, [last], start)
        items = self._child(table, last, start, [])
        assert isinstance(items.value, list)
        items.value.append(self._node(start, self._at, {}))
        return items.value[-1]

    def _table(self, node: Node, keys: list[str], start: int) -> Node:
        """Return the table below `node`; in an array of tables, its last one."""
        for key in keys:
            node = self._child(node, key, start, {})
            if isinstance(node.value, list):
                node = node.value[-1]
        return node

    def _child(self, node: Node, key: str, start: int, empty: object) -> Node:
        assert isinstance(node.value, dict)
        if key not in node.value:
            node.value[key] = self._node(start, self._at, empty)
        return node.value[key]

    def _keys(self) -> list[str]:
        keys = []
        while found := _KEY.match(self._plain, self._at):
            self._at = found.end()
            keys.append(found[1] if found[1][0] not in "\"'" else str(tomllib.loads(f"x = {found[1]}")["x"]))
            if not found[2]:
                break
        return keys

    def _entry(self, table: Node) -> None:
        start = self._at
        *parents, last = self._keys()
        self._at += 1  # the equals sign
        self._skip()
        value = self._value()
        value.key_start = start
        parent = self._table(table, parents, start)
        assert isinstance(parent.value, dict)
        parent.value[last] = value

    def _value(self) -> Node:
        start, first = self._at, self._plain[self._at]
        if first in "[{":
            return self._several(start, "]" if first == "[" else "}")
        found = _SCALAR.match(self._plain, start)
        assert found is not None
        self._at = found.end()
        value = tomllib.loads(f"x = {found[0]}")["x"]
        return self._node(start, self._at, value if isinstance(value, str) else found[0])

    def _several(self, start: int, closing: str) -> Node:
        node = self._node(start, start, [] if closing == "]" else {})
        node.flow = True
        self._at += 1
        while self._plain[self._skip()] != closing:
            if self._plain[self._at] == ",":
                self._at += 1
            elif isinstance(node.value, list):
                node.value.append(self._value())
            else:
                self._entry(node)
        self._at += 1
        node.end = self._at
        return node
