"""Restarts members of the lab that crashed although they had no fault.

A member that was stopped on purpose (exit 0, or 143 from SIGTERM) stays stopped. Docker does not restart a member that
is killed from outside (`docker compose kill`, the OOM killer), because the API's kill disables restart policies. The
supervisor does not restart local backends. So the chaos service does both.
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
from .log_once import LogOnce

log = logging.getLogger(__name__)

RETRY_FAILED_EVERY = 10
"""Failed heals are repeated in every tenth round, that is every 5 s."""


class Patience:
    """Decides when a crashed member is restarted. Pure: the time is an argument."""

    def __init__(self, revive_after_s: float) -> None:
        self._revive_after_s = revive_after_s
        self._down_since: dict[str, float] = {}

    def due(self, crashed: Iterable[str], faulted: Collection[str], now: float) -> list[str]:
        """Return the members that have been down for long enough. The time with a fault does not count."""
        down = [name for name in crashed if name not in faulted]
        self._down_since = {name: self._down_since.get(name, now) for name in down}
        return [name for name in down if now - self._down_since[name] >= self._revive_after_s]


class Keeper:
    """The chaos service's periodic work: renews the lease, restarts members, retries failed heals."""

    def __init__(self, runtime: Runtime, engine: Engine, events: EventLog, lease: Lease, revive_after_s: float) -> None:
        self._runtime = runtime
        self._engine = engine
        self._events = events
        self._lease = lease
        self._patience = Patience(revive_after_s)
        self._log_once = LogOnce(log, "keeper")

    async def run(self) -> None:
        """Run until cancelled. Raise RuntimeLostError if this process can no longer reach the runtime."""
        look = 0
        while True:
            self._lease.renew()
            try:
                await self._revive()
            except ChaosError as error:
                self._log_once.failed(error)
                if reason := self._runtime.lost():
                    raise RuntimeLostError(reason) from error
            else:
                self._log_once.succeeded()
            look += 1
            if look % RETRY_FAILED_EVERY == 0:
                await self._engine.retry_failed()
            await asyncio.sleep(RENEW_EVERY_S)

    async def _revive(self) -> None:
        crashed = {member.name: member for member in await self._runtime.crashed()}
        for name in self._patience.due(crashed, self._engine.faulted(), time.monotonic()):
            log.warning("keeper: %s has crashed; starting it", name)
            await crashed[name].ensure_running()
            self._events.emit("revived", target=name)
