"""Limits on the size and nesting of a JSON body, checked before anything else reads it. Pure."""

from __future__ import annotations

import json
from typing import Any

from ..errors import BadRequestError, TooDeepError, TooLargeError

MAX_BODY = 64 * 1024
"""Bytes. The largest order that makes sense, a monkey's with all its faults, has a few KiB."""
MAX_PLAN = 4 * 1024 * 1024
"""Bytes of a monkey's plan that is sent to be replayed: 20,000 steps, each of about 200 bytes."""
MAX_DEPTH = 16
"""Lists and objects within each other. No call needs more than 5; the parser's own stack bears about 1,000."""


def parse(body: bytes, most: int = MAX_BODY) -> Any:
    """Return what the JSON says. Raise `TooLargeError`, `TooDeepError`, or `BadRequestError` for what is no JSON."""
    if len(body) > most:
        raise TooLargeError(f"body: at most {most} bytes are read")
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequestError(f"body: not JSON: {error}") from error
    except RecursionError:
        value = None
        deep = True
    else:
        deep = _is_deep(value)
    if deep:
        raise TooDeepError(f"body: nested deeper than {MAX_DEPTH} levels")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, list | dict)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True
