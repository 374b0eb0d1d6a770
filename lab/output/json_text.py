"""JSON that every reader takes, whatever was recorded; and reading it without an error that nobody expects."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_ODD = re.compile("\\\\ud[89a-f]|\x7f")
"""Half a surrogate pair, or a whole one; and the one control character that JSON leaves as it is."""


def dumps(document: Any, *, indent: int | None = None) -> str:
    """Return the document as JSON in ASCII (RFC 8259).

    What JSON cannot say is said otherwise: NaN and infinity are `null`, half a surrogate pair is text (`\\ud800`).
    """
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(document, indent=indent, separators=separators, allow_nan=False)
    except ValueError:
        text = ""
    if not text or _ODD.search(text):
        text = json.dumps(_sayable(document), indent=indent, separators=separators).replace("\x7f", "\\u007f")
    return text


def loads(text: str | bytes) -> Any:
    """Return what the JSON says. Raise ValueError where it is none, or nested deeper than Python follows."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _sayable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_sayable(name): _sayable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_sayable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if type(value) is str:
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
