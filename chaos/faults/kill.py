"""kill: SIGKILL. On a Docker bridge the address turns into a black hole; a local process' port refuses."""

from __future__ import annotations

from ..drivers.targets import Injection, Killable
from .base import Before, Layer, NoParams, Verdict, verify_gone


class Kill:
    """End the process without a chance to clean up; heal starts it again."""

    kind = "kill"
    layer = Layer.PROCESS
    needs = Killable
    params = NoParams
    mechanism = "SIGKILL"

    async def inject(self, target: Killable, params: NoParams, duration_s: float) -> Injection:
        return await target.kill()

    async def verify(self, target: Killable, params: NoParams, before: Before) -> Verdict:
        return await verify_gone(target, before)

    async def heal(self, target: Killable) -> None:
        await target.ensure_running()
