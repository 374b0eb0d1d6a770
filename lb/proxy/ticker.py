"""Time for the data plane: calls the core's `tick` and performs what it answers, and sweeps out what is overdue."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from ..core.balancer import Action, Resume, StartHedge, TimedOut

if TYPE_CHECKING:
    from .data_plane import Plane

SWEEP_S: Final = 0.2
"""How often connections are swept. Their time-outs are seconds, so this is precise enough."""


class Ticker:
    """One timer for everything: no connection and no request has its own.

    It ticks when nothing is under way too: the bounds promise that ejections and ramps end on time on a quiet balancer,
    and a tick costs a few microseconds.
    """

    def __init__(self, plane: Plane, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        """`tick` is `Settings.tick`, seconds."""
        self._plane = plane
        self._loop = loop
        self._tick_s = tick
        self._next: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0

    def start(self) -> None:
        """Begin to tick."""
        self._next = self._loop.call_later(self._tick_s, self._tick)

    def every(self, tick: float) -> None:
        """Tick so often, from the next time on."""
        self._tick_s = tick

    def stop(self) -> None:
        """End it."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _tick(self) -> None:
        self._next = self._loop.call_later(self._tick_s, self._tick)
        now = self._plane.clock()
        for action in self._plane.balancer.tick(now):
            perform(self._plane, action)
        end_gathering(self._plane, now)
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
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


def end_gathering(plane: Plane, now: float) -> None:
    """Pass on the small answers that were not complete in time. The wait is a constant: O(expired)."""
    while plane.gathering and (connection := next(iter(plane.gathering))) and plane.gathering[connection] <= now:
        connection.end_gathering()


def sweep(plane: Plane, now: float) -> None:
    """End what is past its deadline. O(connections), which is why it is not done on every tick."""
    plane.unix_offset = time.time() - plane.clock()
    plane.pool.expire(now)
    for client in [client for client in plane.clients if client.deadline <= now]:
        client.expire(now)
    for relay in tuple(plane.relays.values()):
        relay.check_stall(now)
    for tunnel in [tunnel for tunnel in plane.tunnels if tunnel.deadline <= now]:
        tunnel.expire()
