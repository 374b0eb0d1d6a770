"""pause: the process is frozen (SIGSTOP, or the container's freezer) and keeps its sockets.

The kernel continues to accept connections for it, so a probe that only connects does not detect the fault.
"""

from __future__ import annotations

from ..drivers.targets import Injection, Pausable, Running
from .base import Before, Layer, NoParams, Support, Verdict, measure_silence
from .bound import KERNEL_ACCEPTS, Bound, Family, Look


class Pause:
    """Freeze the process. Heal resumes it, or starts it if it was killed while frozen."""

    kind = "pause"
    summary = "connections are accepted, but nothing is received"
    past = "was paused"
    layer = Layer.PROCESS
    bound = Bound(Look(Family.SILENT), tcp=KERNEL_ACCEPTS)
    needs = Pausable
    params = NoParams
    support = Support({"docker": "freezer", "local": "SIGSTOP"})

    async def inject(self, target: Pausable, params: NoParams, duration_s: float) -> Injection:
        return await target.pause()

    async def verify(self, target: Pausable, params: NoParams, before: Before) -> Verdict:
        running = await target.running()
        answer = await measure_silence(target)
        # If the listen backlog is full, the kernel drops SYNs, so the probe may also fail to connect.
        silent = answer.failure in ("timeout", "connect_timeout", "unprobed")
        evidence = f"process {running}; direct probe: {answer}"
        if answer.ok and before.answer.ok and answer.status is None:  # a probe that only connects
            silent = not answer.reacted
            evidence += ", no reaction to the end of the connection" if silent else ", and reacted to its end"
            if not before.answer.reacted:
                evidence += " (nor was there before: only the state shows the pause)"
        return Verdict(running is Running.PAUSED and silent, evidence)

    async def heal(self, target: Pausable) -> None:
        await target.ensure_running()


FAULT = Pause()
