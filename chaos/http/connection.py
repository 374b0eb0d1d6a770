"""One connection of the chaos service: uvicorn's own protocol, with the limits on time and number that it lacks.

uvicorn closes a kept-alive connection that is silent, but waits for ever for the rest of a head or of a body.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..access.connections import Bounded
from ..errors import LateError


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds until a request must be complete, however steadily its bytes come."""

    head_s: float
    """From the connection, or from the first byte of a later request, to the end of the head."""
    body_s: float
    """From the head to the end of the body."""


def connections(patience: Patience) -> Callable[..., asyncio.Protocol]:
    """Return what uvicorn calls for each connection."""

    def accept(server_state: Any, **rest: Any) -> asyncio.Protocol:
        def serve() -> asyncio.Protocol:
            return cast(asyncio.Protocol, _Connection(patience, server_state=server_state, **rest))

        return Bounded(lambda: len(server_state.connections), serve)

    return accept


class _Connection(H11Protocol):
    """uvicorn's connection with one timer, for the head or body that the client must complete next. h11 limits a head
    to 64 KiB."""

    def __init__(self, patience: Patience, **rest: Any) -> None:
        super().__init__(**rest)
        self._patience = patience
        self._awaited: object = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await(h11.IDLE)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await(self.conn.their_state)

    def send_400_response(self, msg: str) -> None:
        """Close the connection without a response if one has begun. uvicorn's own method would raise an error then."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Between two requests, uvicorn's own timer closes the connection if nothing comes.
        self._await(self.conn.their_state if self.conn.their_state is h11.SEND_BODY else None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._await(None)

    def _await(self, state: object) -> None:
        """Start the clock of a head (IDLE) or a body, unless it runs; stop it in every other state of the client."""
        if state is self._awaited:
            return
        allowed: dict[object, float] = {h11.IDLE: self._patience.head_s, h11.SEND_BODY: self._patience.body_s}
        self._awaited = state
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state in allowed:
            self._timer = self.loop.call_later(allowed[state], self._end, allowed[state])

    def _end(self, allowed_s: float) -> None:
        answered = self._awaited is h11.SEND_BODY and self.cycle.response_started
        if not self.transport.is_closing() and not answered:
            body = json.dumps(LateError(f"the request is not complete after {allowed_s:g} s").to_json()).encode()
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                b"Connection: close\r\n\r\n%s" % (len(body), body)
            )
        self.transport.close()
        if self.transport.get_write_buffer_size():  # the client does not read, so this would never end
            self.transport.abort()
