"""Loses a part of a chunked answer now and then, and ends it properly: the client sees a whole, shorter answer."""

from __future__ import annotations

from itertools import count
from typing import Any

from lb.proxy.response_writer import ResponseWriter
from tests.mutants.planting import wrap

SCENARIO = "streams"
CAUGHT_BY = ("truncation",)
_EVERY = 50


def plant() -> None:
    calls = count(1)

    def lossy(body: Any) -> Any:
        def encoded(self: ResponseWriter, parts: Any, trailers: Any) -> Any:
            if parts and len(parts[0]) > 500 and next(calls) % _EVERY == 0:
                parts = parts[1:]
            return body(self, parts, trailers)

        return encoded

    wrap(ResponseWriter, "body", lossy)
