"""Time for the data plane: calls the core's `tick` and performs what it answers, and sweeps out what is overdue."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from lb.core.balancer import Action, Resume, StartHedge, TimedOut

if TYPE_CHECKING:
    from lb.proxy.plane import Plane

BUSY_S = 0.02
"""While requests are in flight. Stalls are measured in tens of milliseconds, and a tick costs tens of microseconds."""
IDLE_S = 0.2
"""Otherwise; also how often connections are swept. Their time-outs are seconds, so this is precise enough."""


class Ticker:
    """One timer for everything: no connection and no request has its own."""

    def __init__(self, plane: Plane, loop: asyncio.AbstractEventLoop) -> None:
        self._plane = plane
        self._loop = loop
        self._next: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        plane.wake = self.wake

    def start(self) -> None:
        """Begin to tick."""
        self._next = self._loop.call_later(IDLE_S, self._tick)

    def stop(self) -> None:
        """End it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def wake(self) -> None:
        """The first request is under way: an idle wait is too long from now on."""
        if self._next is not None and self._next.when() - self._loop.time() > BUSY_S:
            self._next.cancel()
            self._next = self._loop.call_later(BUSY_S, self._tick)

    def _tick(self) -> None:
        self._next = self._loop.call_later(BUSY_S if self._plane.relays else IDLE_S, self._tick)
        now = self._plane.clock()
        for action in self._plane.balancer.tick(now):
            perform(self._plane, action)
        if now >= self._sweep_at:
            self._sweep_at = now + IDLE_S
            sweep(self._plane, now)


def perform(plane: Plane, action: Action) -> None:
    """Do what the core asks for; what it concerns may have ended through an action just before."""
    match action:
        case TimedOut(attempt):
            relay = plane.relays.get(attempt.exchange)
            if relay is not None:
                relay.timed_out(attempt)
        case StartHedge(attempt):
            relay = plane.relays.get(attempt.exchange)
            if relay is not None:
                relay.hedge(attempt)
            else:
                plane.resume(plane.balancer.cancelled(attempt, plane.clock()))
        case Resume():
            plane.resume([action])


def sweep(plane: Plane, now: float) -> None:
    """End what is past its deadline. O(connections), which is why it is not done on every tick."""
    plane.unix_offset = time.time() - plane.clock()
    plane.pool.expire(now)
    for client in [client for client in plane.clients if client.deadline <= now]:
        client.expire(now)
    for relay in tuple(plane.relays.values()):
        relay.check_stall(now)
    for tunnel in [tunnel for tunnel in plane.tunnels if tunnel.deadline <= now]:
        tunnel.close()
