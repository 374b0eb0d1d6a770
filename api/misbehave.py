"""Misbehaviour on request: a pure function that decides for each request, and the ASGI middleware that applies it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .models import Cold, Error, Hang, Lie, Misbehaviour, Ok, Slow

HEALTH = "/health"
EXEMPT = frozenset({"/misbehave", "/metrics", "/ledger"})
"""Paths that never misbehave, because experiments use them to end the mode and to observe the replica meanwhile."""


@dataclass(frozen=True, slots=True)
class Behave:
    """Serve the request."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with this status and do not execute the request."""

    status: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Serve the request after this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Serve the request when the mode has ended."""


Decision = Behave | Fail | Delay | Hold


def decide(mode: Misbehaviour, path: str, rng: Random, left: float = 1.0) -> Decision:
    """Return what happens to a request to `path`. The mode `unhealthy` affects only the route `/health`.

    `left` is the share of the mode's duration that remains.
    """
    if path in EXEMPT:
        return Behave()
    match mode:
        case Error(rate=rate, status=status) if rng.random() < rate:
            return Fail(status)
        case Lie(status=status) if path != HEALTH:
            return Fail(status)
        case Slow(delay_ms=delay_ms):
            return Delay(delay_ms / 1000)
        case Cold(delay_ms=delay_ms):
            return Delay(delay_ms / 1000 * left)
        case Hang():
            return Hold()
        case _:
            return Behave()


class Conduct:
    """The current mode, and when it ends. Times are monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mode: Misbehaviour = Ok()
        self._until: float | None = None
        self._changed = asyncio.Event()

    def set(self, mode: Misbehaviour) -> None:
        """Set the mode and release the requests held by the previous one."""
        self._mode = mode
        self._until = None if mode.duration_s is None else self._clock() + mode.duration_s
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def mode(self) -> Misbehaviour:
        """Return the current mode."""
        return Ok() if self.remaining_s == 0 else self._mode

    @property
    def remaining_s(self) -> float | None:
        """Return the seconds until the mode ends: None if it has no end, 0 if it has ended."""
        return None if self._until is None else max(0.0, self._until - self._clock())

    @property
    def left(self) -> float:
        """Return the share of the mode's duration that remains; 1 if it has no end."""
        remaining_s, duration_s = self.remaining_s, self._mode.duration_s
        return 1.0 if remaining_s is None or duration_s is None else remaining_s / duration_s

    async def ended(self) -> None:
        """Wait until another mode is set or the current one ends."""
        try:
            await asyncio.wait_for(self._changed.wait(), self.remaining_s)
        except TimeoutError:
            return


class MisbehaviourMiddleware:
    """Carries out `decide` on every HTTP request and WebSocket handshake.

    A held or delayed request is not dropped if its client disconnects, because a hung server does not notice that
    either and executes the request when it recovers. The deadline check after this middleware may refuse it then.
    """

    def __init__(self, app: ASGIApp, conduct: Conduct, rng: Random) -> None:
        self._app = app
        self._conduct = conduct
        self._rng = rng

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, fail, delay or hold one request."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        decision = decide(self._conduct.mode, scope["path"], self._rng, self._conduct.left)
        while isinstance(decision, Hold):
            await self._conduct.ended()
            decision = decide(self._conduct.mode, scope["path"], self._rng, self._conduct.left)
        match decision:
            case Fail(status=status):
                return await JSONResponse({"error": "misbehaving"}, status)(scope, receive, send)
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
        await self._app(scope, receive, send)
        return None
