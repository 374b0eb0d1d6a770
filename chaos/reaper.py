"""`python -m chaos.reaper`: watches the chaos service, so that no fault stays in place if the service dies.

`docker compose kill chaos` disables the restart policy, so nothing else would start the chaos service again. The reaper
restarts it at once, and the new service heals all unhealed faults. If the service stays dead (or frozen), the reaper
heals expired faults itself, from the same journal. The keeper in the chaos service restarts the reaper if it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Sequence

from .drivers.runtimes import open_runtime
from .drivers.targets import Runtime
from .engine import healing
from .engine.journal import Journal
from .engine.lease import DEAD_AFTER_S, Lease
from .engine.log_once import LogOnce
from .engine.records import Entry, State
from .errors import ChaosError
from .faults import FAULTS
from .faults.extensions import add_extensions
from .inputs.command_line import RuntimeLostError, make_state_dir, run
from .inputs.settings import Settings

log = logging.getLogger("chaos.reaper")

LOOK_EVERY_S = 0.5
CHAOS_ROLE = "chaos"


class Reaper:
    """Restarts a dead chaos service, and heals expired faults while it stays dead."""

    def __init__(self, runtime: Runtime, journal: Journal, lease: Lease) -> None:
        self._runtime = runtime
        self._journal = journal
        self._lease = lease
        self._log_once = LogOnce(log, "reaper")

    async def run(self) -> None:
        """Run until cancelled. Raise RuntimeLostError if this process can no longer reach the runtime."""
        while True:
            try:
                await self.look()
            except ChaosError as error:
                self._log_once.failed(error)
                if reason := self._runtime.lost():
                    raise RuntimeLostError(reason) from error
            else:
                self._log_once.succeeded()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Do one round: start a crashed chaos service, and heal expired faults if the lease is too old."""
        for member in await self._runtime.crashed():
            if member.role == CHAOS_ROLE:
                log.warning("reaper: the chaos service is dead; starting it")
                await member.ensure_running()
        if self._lease.age_s() > DEAD_AFTER_S:
            for entry in expired(list(self._journal.read().values()), time.time()):
                await self._heal(entry)

    async def _heal(self, entry: Entry) -> None:
        record = entry.record
        log.warning("reaper: healing %s on %s, left behind by a dead chaos service", record.kind, record.target)
        if record.state is State.FAILED:
            record.error = None  # of the heal that failed
        if record.state is not State.HEALING:
            entry.move(State.HEALING)
        record.heal_started_mono, record.healed_by = time.monotonic(), "expiry"
        try:
            record.error = await healing.undo(self._runtime, entry) or record.error
        except ChaosError as error:
            log.warning("reaper: %s", error.detail)
            return  # the fault stays unhealed, and the next round tries again
        entry.move(State.HEALED)
        record.healed_mono = time.monotonic()
        self._journal.append(entry)


def expired(entries: list[Entry], now_unix: float) -> list[Entry]:
    """Return the entries of unhealed faults whose end has passed."""
    return [entry for entry in entries if entry.unhealed and entry.expires_unix <= now_unix]


async def watch(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    add_extensions(FAULTS)
    make_state_dir(settings.state_dir)
    runtime = open_runtime(settings)
    running = asyncio.ensure_future(Reaper(runtime, Journal(settings.state_dir), Lease(settings.state_dir)).run())
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await runtime.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Return the exit code: 254 for invalid arguments or variables, 255 if this host lacks something."""
    return run(
        "chaos.reaper",
        "Restarts the chaos service if it dies, and heals expired faults while it is dead.",
        watch,
        arguments,
    )


if __name__ == "__main__":
    sys.exit(main())
