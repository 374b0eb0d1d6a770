"""Limits on the size and nesting of a JSON body, checked before anything else parses it. Pure."""

from __future__ import annotations

import json
from typing import Any

from ..errors import BadRequestError, TooDeepError, TooLargeError

MAX_BODY = 64 * 1024
"""Bytes. The largest useful order, for a monkey with all fault kinds, has a few KiB."""
MAX_PLAN = 4 * 1024 * 1024
"""Bytes, for a monkey's plan that is sent to be replayed: 20,000 steps of about 200 bytes each."""
MAX_DEPTH = 16
"""Levels of nested lists and objects. No call needs more than 5; the parser itself can handle about 1,000."""


def parse(body: bytes, most: int = MAX_BODY) -> Any:
    """Return the parsed JSON. Raise TooLargeError, TooDeepError, or BadRequestError if it is not JSON."""
    if len(body) > most:
        raise TooLargeError(f"body: longer than {most} bytes")
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
