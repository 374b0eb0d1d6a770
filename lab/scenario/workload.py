"""The load of a scenario: kinds of requests, their rate, connections and client sessions."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .strict import StrictModel, field_error
from .units import Duration, Rate, Share, Size

_REQUEST = re.compile(r"([A-Z]+) (/[!-~]*)")
_METHODS = ("GET", "PUT", "POST", "WS")
_JOBS, _ECHO = "/jobs", "/echo"
_WS = re.compile(r"/ws(?:\?delay_ms=\d+)?")
_SHARE_TOLERANCE = 1e-6
"""Large enough for three times 33.3333% to count as 100%."""
_PUT_BODY, _WS_BODY = 1024, 64


class RequestKind(StrictModel):
    """One kind of request in the mix: `{request: GET /work?sleep_ms=2, share: 90%}`."""

    request: str
    share: Share
    body: Annotated[Size, Field(gt=0, le=16 * 1024 * 1024)] | None = None
    """Body of a PUT, or of a WebSocket message, which the backend echoes."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        match = _REQUEST.fullmatch(self.request)
        if match is None or match[1] not in _METHODS:
            example = "such as 'GET /work?sleep_ms=2'"
            raise field_error(
                f"expected a method (GET, PUT, POST, or WS for WebSocket) and a path, {example}", self.request
            )
        if match[1] == "POST" and match[2] != _JOBS:
            raise field_error("expected 'POST /jobs', the only path whose work the ledgers count", self.request)
        if match[1] == "PUT" and match[2] != _ECHO:
            raise field_error("expected 'PUT /echo', which sends its body back", self.request)
        if match[1] == "WS" and _WS.fullmatch(match[2]) is None:
            raise field_error("expected 'WS /ws', also with ?delay_ms=…, which sends each message back", self.request)
        if self.body is not None and match[1] not in {"PUT", "WS"}:
            raise field_error("expected a body only with PUT and WS", self.request)
        return self

    @property
    def method(self) -> str:
        """`GET`, `PUT`, `POST`, or `WS` for one message on a WebSocket."""
        return self.request.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Path and query."""
        return self.request.split(" ", 1)[1]

    @property
    def body_bytes(self) -> int:
        """Bytes of the body; 0 for a job, whose body is its id."""
        if self.body is not None:
            return self.body
        return {"PUT": _PUT_BODY, "WS": _WS_BODY}.get(self.method, 0)


class Load(StrictModel):
    """Open-loop load: requests are sent on schedule, whether or not earlier ones were answered."""

    rate: Annotated[Rate, Field(gt=0, le=20_000)]
    mix: Annotated[tuple[RequestKind, ...], Field(min_length=1)]
    pacing: Literal["constant", "poisson"] = "constant"
    connections: Literal["keep-alive", "fresh"] = "keep-alive"
    sessions: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = None
    """Number of clients that keep their cookies. Each request belongs to a random client. Default: no cookies."""
    patience: Annotated[Duration, Field(gt=0, le=60)] = 3.0
    """How long the client waits for a response. Afterwards the outcome is unknown."""
    slow: Annotated[Duration, Field(gt=0)] = 0.25
    """A good response with a higher latency than this is slow."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = math.fsum(kind.share for kind in self.mix)
        if abs(total - 1.0) > _SHARE_TOLERANCE:
            raise field_error("expected the shares of the mix to add up to 100%", f"{total:.4%}")
        if self.sessions is not None and any(kind.method == "WS" for kind in self.mix):
            raise field_error("expected sessions only without WS: each WebSocket stays on its backend", self.sessions)
        return self
