"""JSON pointers (RFC 6901): `/checks/0/status` names one value inside a JSON document."""

from __future__ import annotations

import re
from typing import Any

_INDEX = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_BAD_ESCAPE = re.compile(r"~(?![01])")


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the names and indexes of a pointer, unescaped. Raise ValueError; the empty pointer names the document."""
    if (text and not text.startswith("/")) or _BAD_ESCAPE.search(text):
        raise ValueError("expected a JSON pointer, such as /status (a ~ in a name is written ~0, a / is written ~1)")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def find_value(document: Any, pointer: tuple[str, ...]) -> Any:
    """Return the value that the pointer names. Raise LookupError if the document has none."""
    value = document
    for part in pointer:
        if isinstance(value, dict):
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part):
            value = value[int(part)]
        else:
            raise LookupError(part)
    return value
