"""Reads the JSON body of a request, with limits on nesting and time. `lb.admin.site` limits its size."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from ..errors import BadRequestError, InvalidError, LateError

MAX_DEPTH = 16
"""Levels of nested lists and objects. No call needs more than 1. The parser itself refuses more than about 1,000."""

BODY_S = 10.0
"""Seconds from the head of a request to the end of its body, even if bytes arrive steadily. The data plane, whose
bodies may be long, limits the rate instead (`limits.slow_body`)."""


async def body_of(request: web.Request) -> Any:
    """Return the parsed JSON body. Raise InvalidError, LateError, or BadRequestError if it is incomplete or nested too
    deeply.

    The content type must be JSON, because a browser sends it across origins only after a preflight request, which this
    API does not allow.
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
    """Return whether lists and objects are nested deeper than `MAX_DEPTH`."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, list | dict)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True
