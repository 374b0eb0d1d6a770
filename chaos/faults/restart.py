"""restart: a graceful stop and an immediate start."""

from __future__ import annotations

from ..drivers.targets import Injection, Stoppable
from .base import Before, Layer, NoParams, Support, Verdict
from .bound import Bound, Family, Look

MECHANISM = "SIGTERM, start"


class Restart:
    """Stop the process and start it at once. The fault's duration is only the time limit for that."""

    kind = "restart"
    summary = "a short `stop`"
    past = "was restarted"
    layer = Layer.PROCESS
    bound = Bound(Look(Family.DEAD, "from the end of the process; the fault ends when it listens again"))
    needs = Stoppable
    params = NoParams
    support = Support({"docker": MECHANISM, "local": MECHANISM})

    async def inject(self, target: Stoppable, params: NoParams, duration_s: float) -> Injection:
        stopped = await target.stop()
        await target.ensure_running()
        return Injection(stopped.mono, MECHANISM)

    async def verify(self, target: Stoppable, params: NoParams, before: Before) -> Verdict:
        now = await target.incarnation()
        return Verdict(now != before.incarnation, f"before: {before.incarnation}; after: {now}")

    async def heal(self, target: Stoppable) -> None:
        await target.ensure_running()


FAULT = Restart()
