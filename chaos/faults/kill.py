"""kill: SIGKILL. On a Docker bridge, packets to the old address are lost; a local process' port refuses connections."""

from __future__ import annotations

from ..drivers.targets import Injection, Killable
from .base import Before, Layer, NoParams, Support, Verdict, verify_gone
from .bound import Bound, Family, Look


class Kill:
    """End the process without a chance to clean up. The heal starts it again."""

    kind = "kill"
    summary = "Docker: pooled connections end, packets of new ones are dropped; local: refused"
    past = "was killed"
    layer = Layer.PROCESS
    bound = Bound(
        Look(Family.DEAD, "T is the worst case, dropped packets (docker kill); with refused connections it is ~0")
    )
    needs = Killable
    params = NoParams
    support = Support({"docker": "SIGKILL", "local": "SIGKILL"})

    async def inject(self, target: Killable, params: NoParams, duration_s: float) -> Injection:
        return await target.kill()

    async def verify(self, target: Killable, params: NoParams, before: Before) -> Verdict:
        return await verify_gone(target, before)

    async def heal(self, target: Killable) -> None:
        await target.ensure_running()


FAULT = Kill()
