"""Starts members of the lab again that crashed without a fault of ours.

Whoever stops a member on purpose (exit 0, or 143 from SIGTERM) is respected. A member that is killed from outside
(`docker compose kill`, the OOM killer) is not restarted by Docker, because the API's kill disables restart policies,
and a local backend is not restarted by the supervisor: that is the chaos service's part.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable

from ..drivers.targets import Runtime
from ..errors import ChaosError
from ..inputs.command_line import RuntimeLostError
from .engine import Engine
from .events import EventLog
from .lease import RENEW_EVERY_S, Lease
from .log_once import Outage

log = logging.getLogger(__name__)

RETRY_FAILED_EVERY = 10
"""Looks between two tries at heals that failed: every 5 s."""


class Patience:
    """Remembers since when each member is down. Pure: the time is an argument."""

    def __init__(self, revive_after_s: float) -> None:
        self._revive_after_s = revive_after_s
        self._down_since: dict[str, float] = {}

    def due(self, crashed: Iterable[str], faulted: Collection[str], now: float) -> list[str]:
        """Members down without a fault for long enough. The clock of a faulted one starts when its fault has ended."""
        down = [name for name in crashed if name not in faulted]
        self._down_since = {name: self._down_since.get(name, now) for name in down}
        return [name for name in down if now - self._down_since[name] >= self._revive_after_s]


class Keeper:
    """The chaos service's heartbeat: renews the lease, revives members, retries failed heals."""

    def __init__(self, runtime: Runtime, engine: Engine, events: EventLog, lease: Lease, revive_after_s: float) -> None:
        self._runtime = runtime
        self._engine = engine
        self._events = events
        self._lease = lease
        self._patience = Patience(revive_after_s)
        self._outage = Outage(log, "keeper")

    async def run(self) -> None:
        """Until cancelled. Raises RuntimeLostError."""
        look = 0
        while True:
            self._lease.renew()
            try:
                await self._revive()
            except ChaosError as error:
                self._outage.failed(error)
                if reason := self._runtime.lost():
                    raise RuntimeLostError(reason) from error
            else:
                self._outage.succeeded()
            look += 1
            if look % RETRY_FAILED_EVERY == 0:
                await self._engine.retry_failed()
            await asyncio.sleep(RENEW_EVERY_S)

    async def _revive(self) -> None:
        crashed = {member.name: member for member in await self._runtime.crashed()}
        for name in self._patience.due(crashed, self._engine.faulted(), time.monotonic()):
            log.warning("keeper: %s crashed and stayed down; starting it", name)
            await crashed[name].ensure_running()
            self._events.emit("revived", target=name)
