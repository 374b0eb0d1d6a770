"""pause: the process is frozen (SIGSTOP, or the container's freezer) and keeps its sockets.

The kernel goes on accepting connections for it, so a probe that only connects sees nothing.
"""

from __future__ import annotations

from ..drivers.targets import Injection, Pausable, Running
from .base import Before, Layer, NoParams, Verdict, measure_silence


class Pause:
    """Freeze; heal resumes, or starts a target that was killed while frozen."""

    kind = "pause"
    layer = Layer.PROCESS
    needs = Pausable
    params = NoParams
    mechanism = "freeze"

    async def inject(self, target: Pausable, params: NoParams, duration_s: float) -> Injection:
        return await target.pause()

    async def verify(self, target: Pausable, params: NoParams, before: Before) -> Verdict:
        running = await target.running()
        answer = await measure_silence(target)
        # Not `connected and silent`: a full listen backlog drops SYNs, which is a frozen process all the same.
        silent = answer.status is None and answer.failure in ("timeout", "connect_timeout")
        return Verdict(running is Running.PAUSED and silent, f"process {running}; direct probe: {answer}")

    async def heal(self, target: Pausable) -> None:
        await target.ensure_running()
