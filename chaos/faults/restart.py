"""restart: a graceful end and an immediate new start."""

from __future__ import annotations

from ..drivers.targets import Injection, Stoppable
from .base import Before, Layer, NoParams, Verdict


class Restart:
    """Stop, then start at once; the fault's duration only bounds how long it may take."""

    kind = "restart"
    layer = Layer.PROCESS
    needs = Stoppable
    params = NoParams
    mechanism = "SIGTERM, start"

    async def inject(self, target: Stoppable, params: NoParams, duration_s: float) -> Injection:
        stopped = await target.stop()
        await target.ensure_running()
        return Injection(stopped.mono, self.mechanism)

    async def verify(self, target: Stoppable, params: NoParams, before: Before) -> Verdict:
        now = await target.incarnation()
        return Verdict(now != before.incarnation, f"before: {before.incarnation}; after: {now}")

    async def heal(self, target: Stoppable) -> None:
        await target.ensure_running()
