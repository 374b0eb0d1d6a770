"""The load of a scenario: kinds of requests, their rate, connections and client sessions."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from .plan import PlannedExchange, PlannedRequest
from .request_fields import BodyFile, BodyText, ExpectedAnswer, Headers, Statuses
from .strict import StrictModel, field_error
from .units import Duration, Rate, Share, Size

_REQUEST = re.compile(r"([A-Z]+) (/[!-~]*)")
_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "WS")
_WITH_SIZE: Final = frozenset({"POST", "PUT", "PATCH", "WS"})
_JOBS, _ECHO, _WS = "POST /jobs", "PUT /echo", "WS /ws"
_WS_SLOW: Final = re.compile(r"WS /ws(?:\?delay_ms=\d+)?")
_SHARE_TOLERANCE = 1e-6
"""Large enough for three times 33.3333% to count as 100%."""
_OWN_BODY: Final = {_ECHO: 1024, _WS: 64}
"""Bytes, unless `body` says how many."""
_BODIES: Final = 16 * 1024 * 1024
"""Largest sum of the bodies of a mix, in bytes, because `plan.json` holds all of them."""


class RequestKind(StrictModel):
    """One kind of request in the mix: `{request: GET /work?sleep_ms=2, share: 90%}`.

    `POST /jobs`, `PUT /echo` and `WS /ws` are requests to the lab's own backends as long as they have none of the
    optional fields but `body`: the work of a job is looked up in the backends' ledgers, and an echo is compared with
    what was sent. Every other kind is a request to any application.
    """

    request: str
    share: Share
    body: Annotated[Size, Field(gt=0, le=_BODIES)] | None = None
    """Size of a generated body or WebSocket message."""
    headers: Headers = ()
    body_file: BodyFile | None = None
    """Body, from a file that is read together with the scenario."""
    body_text: BodyText | None = None
    """Body, in UTF-8."""
    status: Statuses = ()
    """Expected statuses. Default: every status below 400."""
    answer: ExpectedAnswer | None = None
    """What the body of a good answer contains. Default: not checked."""
    idempotent: Annotated[bool, Field(strict=True)] | None = None
    """Whether a repetition does no harm. Default: as the method says (RFC 9110 §9.2.2)."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        match = _REQUEST.fullmatch(self.request)
        if match is None or match[1] not in _METHODS:
            methods = f"{', '.join(_METHODS[:-1])}, or WS for WebSocket"
            example = "such as 'GET /work?sleep_ms=2'"
            raise field_error(f"expected a method ({methods}) and a path, {example}", self.request)
        if self.method == "WS" and (_WS_SLOW.fullmatch(self.request) is None or self._is_custom):
            expected = (
                "expected 'WS /ws', also with ?delay_ms=…, without other fields than body: its messages are echoed"
            )
            raise field_error(expected, self.request)
        if self.method == "HEAD" and (self.answer is not None or self._content is not None):
            raise field_error("expected neither a body nor an answer with HEAD, which has none", self.request)
        self._check_bodies()
        return self

    def _check_bodies(self) -> None:
        given = [name for name in ("body", "body_file", "body_text") if getattr(self, name) is not None]
        if len(given) > 1:
            raise field_error("expected one of body, body_file and body_text", given)
        if self.body is not None and (self.method not in _WITH_SIZE or self.request == _JOBS):
            raise field_error(
                "expected a body of a size only with PUT, PATCH, WS, and POST other than /jobs", self.request
            )

    @property
    def method(self) -> str:
        """`GET`, `POST`, …, or `WS` for one message on a WebSocket."""
        return self.request.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Path and query."""
        return self.request.split(" ", 1)[1]

    @property
    def _content(self) -> bytes | None:
        return self.body_text if self.body_file is None else self.body_file

    @property
    def _is_custom(self) -> bool:
        """Whether it has a field that is not for the lab's own backends."""
        return bool(self.model_fields_set - {"request", "share", "body"})

    def planned(self, *, own_backends: bool = True) -> PlannedRequest:
        """Return this kind as part of a plan. `own_backends`: whether the lab's own backends answer the requests."""
        own = own_backends and not self._is_custom
        if self.method == "WS" or (own and (self.request in {_JOBS, _ECHO} or self.method == "GET")):
            size = _OWN_BODY.get(self.request.partition("?")[0], 0) if self.body is None else self.body
            return PlannedRequest(self.method, self.path, self.share, size)
        exchange = PlannedExchange(
            headers=self.headers,
            body=base64.b64encode(self._content or b"").decode(),
            statuses=self.status,
            contains=self.answer.contains if self.answer else None,
            json=self.answer.pointers if self.answer else (),
            idempotent=self.idempotent,
        )
        return PlannedRequest(self.method, self.path, self.share, self.body or 0, exchange)


def check_shares(mix: Iterable[RequestKind]) -> None:
    """Raise the error of a field unless the shares add up to 100 %."""
    total = math.fsum(kind.share for kind in mix)
    if abs(total - 1.0) > _SHARE_TOLERANCE:
        raise field_error("expected the shares of the mix to add up to 100%", f"{total:.4%}")


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
        check_shares(self.mix)
        if self.sessions is not None and any(kind.method == "WS" for kind in self.mix):
            raise field_error("expected sessions only without WS: each WebSocket stays on its backend", self.sessions)
        bodies = sum(len(kind.body_file or kind.body_text or b"") for kind in self.mix)
        if bodies > _BODIES:
            raise field_error("expected bodies of at most 16 MiB in total", f"{bodies} bytes")
        return self
