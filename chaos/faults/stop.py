"""stop: a graceful end. The backend finishes what is in flight; heal starts it again."""

from __future__ import annotations

from ..drivers.targets import Injection, Stoppable
from .base import Before, Layer, NoParams, Verdict, verify_gone


class Stop:
    """SIGTERM, as a deployment does it."""

    kind = "stop"
    layer = Layer.PROCESS
    needs = Stoppable
    params = NoParams
    mechanism = "SIGTERM"

    async def inject(self, target: Stoppable, params: NoParams, duration_s: float) -> Injection:
        return await target.stop()

    async def verify(self, target: Stoppable, params: NoParams, before: Before) -> Verdict:
        return await verify_gone(target, before)

    async def heal(self, target: Stoppable) -> None:
        await target.ensure_running()
