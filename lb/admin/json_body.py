"""The JSON body of a call, bounded in depth and time; in size it is by the server (`lb.admin.site`)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from ..errors import BadRequestError, InvalidError, LateError

MAX_DEPTH = 16
"""Lists and objects within each other. No call needs more than 1. The parser refuses what is beyond its own 1,000."""

BODY_S = 10.0
"""Seconds from the head of a request to the end of its body, however steadily bytes come: as `limits.slow_body` of the
data plane, whose bodies may be long and therefore have a minimum rate instead of a total."""


async def body_of(request: web.Request) -> Any:
    """Return the JSON body. Raise `InvalidError`, `LateError`, or `BadRequestError` for one that is nested too deep.

    The content type must be JSON: a browser sends that across origins only after a preflight, which is never answered.
    """
    if request.content_type != "application/json":
        raise InvalidError("body: expected Content-Type: application/json")
    if "Content-Encoding" in request.headers:
        raise InvalidError("body: expected no Content-Encoding")
    try:
        async with asyncio.timeout(BODY_S):
            raw = await request.read()
        body = json.loads(raw)
    except TimeoutError as error:
        raise LateError(f"body: not complete after {BODY_S:g} s") from error
    except ConnectionError as error:
        raise BadRequestError("body: the connection ended before it was complete") from error
    except RecursionError:
        body = None
        deep = True
    except ValueError as error:
        raise InvalidError(f"body: not JSON: {error}") from error
    else:
        deep = is_deep(body)
    if deep:
        raise BadRequestError(f"body: nested deeper than {MAX_DEPTH} levels")
    return body


def is_deep(value: Any) -> bool:
    """Return whether lists and objects are within each other more than `MAX_DEPTH` times."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, list | dict)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True
