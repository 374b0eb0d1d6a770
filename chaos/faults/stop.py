"""stop: a graceful end. The backend finishes the requests in flight; the heal starts it again."""

from __future__ import annotations

from ..drivers.targets import Injection, Stoppable
from .base import Before, Layer, NoParams, Support, Verdict, verify_gone
from .bound import Bound, Family, Look


class Stop:
    """Send SIGTERM, as a deployment does."""

    kind = "stop"
    summary = "requests in flight finish, then as `kill`"
    past = "was stopped"
    layer = Layer.PROCESS
    bound = Bound(Look(Family.DEAD, "from the end of the process"))
    needs = Stoppable
    params = NoParams
    support = Support({"docker": "SIGTERM, SIGKILL after 10 s", "local": "SIGTERM"})

    async def inject(self, target: Stoppable, params: NoParams, duration_s: float) -> Injection:
        return await target.stop()

    async def verify(self, target: Stoppable, params: NoParams, before: Before) -> Verdict:
        return await verify_gone(target, before)

    async def heal(self, target: Stoppable) -> None:
        await target.ensure_running()


FAULT = Stop()
