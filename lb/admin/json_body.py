"""The JSON body of a call, bounded in size and depth before it is parsed."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from lb.errors import BadRequestError, InvalidError

MAX_DEPTH = 16
"""Lists and objects within each other. No call needs more than 1; the parser's own stack bears about 1,000."""
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


async def body_of(request: web.Request) -> Any:
    """Return the JSON body. Raise `InvalidError`, or `BadRequestError` for one that is nested too deep.

    Only under its own content type: a browser sends that across origins after a preflight, which nobody answers here.
    """
    if request.content_type != "application/json":
        raise InvalidError("body: expected Content-Type: application/json")
    if "Content-Encoding" in request.headers:
        raise InvalidError("body: expected no Content-Encoding")
    raw = await request.read()
    if depth(raw) > MAX_DEPTH:
        raise BadRequestError(f"body: nested deeper than {MAX_DEPTH} levels")
    try:
        return json.loads(raw)
    except ValueError as error:
        raise InvalidError(f"body: not JSON: {error}") from error


def depth(raw: bytes) -> int:
    """Return how many lists and objects are open at once at most, as far as that can be said of what may be no JSON."""
    deepest = now = 0
    for sign in re.findall(rb"[\[\]{}]", _STRINGS.sub(b"", raw)):
        now += 1 if sign in b"[{" else -1
        deepest = max(deepest, now)
    return deepest
