"""Writes JSON that every parser accepts, whatever the values are, and reads JSON with ValueError as the only error."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_ODD = re.compile("\\\\ud[89a-f]|\x7f")
"""An escaped surrogate, alone or in a pair; and DEL, the one control character that JSON does not escape."""


def dumps(document: Any, *, indent: int | None = None) -> str:
    """Return the document as JSON in ASCII (RFC 8259).

    Values that JSON cannot represent are replaced: NaN and infinity by `null`, a lone surrogate by the text `\\ud800`.
    """
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(document, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        text = ""
    if not text or _ODD.search(text):
        text = json.dumps(_representable(document), indent=indent, separators=separators).replace("\x7f", "\\u007f")
    return text


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raise ValueError if it is not JSON or exceeds Python's recursion limit."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _representable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_representable(name): _representable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_representable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if type(value) is str:
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
