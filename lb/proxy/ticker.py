"""The timer of the data plane: performs the actions of the core's `tick`, and ends connections after their deadline."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from ..core.balancer import Action, Resume, StartHedge, TimedOut

if TYPE_CHECKING:
    from .data_plane import DataPlane

SWEEP_S: Final = 0.2
"""Seconds between two checks of the connections' deadlines. It is precise enough, because time-outs are in seconds."""


class Ticker:
    """One timer for all connections and requests, which have no timers of their own.

    It also ticks without any request, because ejections and slow starts must also end on time on an idle balancer. A
    tick costs a few microseconds.
    """

    def __init__(self, plane: DataPlane, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        """`tick` is `Settings.tick`, seconds."""
        self._plane = plane
        self._loop = loop
        self._tick_s = tick
        self._next: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0

    def start(self) -> None:
        """Start ticking."""
        self._next = self._loop.call_later(self._tick_s, self._tick)

    def set_interval(self, tick: float) -> None:
        """Change the interval, in seconds, after the next tick."""
        self._tick_s = tick

    def stop(self) -> None:
        """Stop ticking."""
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


def perform(plane: DataPlane, action: Action) -> None:
    """Perform an action of the core, unless its exchange has ended by a previous action."""
    match action:
        case TimedOut(attempt):
            owner = plane.owners.get(attempt.exchange)
            if owner is not None:
                owner.timed_out(attempt)
        case StartHedge(attempt):
            owner = plane.owners.get(attempt.exchange)
            if owner is not None:
                owner.hedge(attempt)
            else:
                plane.resume(plane.balancer.cancelled(attempt, plane.clock()))
        case Resume():
            plane.resume([action])


def end_gathering(plane: DataPlane, now: float) -> None:
    """Forward the heads of small responses that are not complete in time. They are ordered, so it is O(expired)."""
    while plane.gathering and (connection := next(iter(plane.gathering))) and plane.gathering[connection] <= now:
        connection.end_gathering()


def sweep(plane: DataPlane, now: float) -> None:
    """Expire connections and tunnels whose deadline has passed. O(connections), so not at every tick."""
    plane.unix_offset = time.time() - plane.clock()
    plane.pool.expire(now)
    for client in [client for client in plane.clients if client.deadline <= now]:
        client.expire(now)
    for owner in tuple(plane.owners.values()):
        owner.check_stall(now)
    for tunnel in [tunnel for tunnel in plane.tunnels if tunnel.deadline <= now]:
        tunnel.expire()
