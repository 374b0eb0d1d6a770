"""cold_start: the backend restarts, and its answers are late at first, as with cold caches or a cold JIT compiler."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol, runtime_checkable

from pydantic import Field

from ..drivers.targets import Injection, Orderable, Stoppable
from ..errors import InjectionFailedError
from ..inputs.units import Seconds
from .base import VERIFY_DEADLINE_S, Before, Layer, Params, Support, Verdict
from .bound import Bound, Family, Look
from .misbehaviour import order, probe

MECHANISM = "misbehave, SIGTERM, start"
SPARE_S = 0.2
"""Seconds of the verdict's deadline that the probes leave unused."""
POLL_S = 0.02
SEEN_SHARE = 0.2
"""Share of the delay by which an answer must be late. The delay decreases while the process starts and is verified."""


@runtime_checkable
class Startable(Stoppable, Orderable, Protocol):
    """Target that can be restarted and takes orders to misbehave."""


class ColdStartParams(Params):
    """How slow the backend is at first."""

    delay: Seconds = Field(gt=0, le=60, examples=["300ms"])
    """Delay of an answer right after the start. It decreases linearly to zero within the fault's duration."""


class ColdStart:
    """Restart the process with an order to be slow at first."""

    kind = "cold_start"
    summary = "a short `stop`, then late responses, less and less; health checks included"
    past = "was restarted and slow at first"
    layer = Layer.PROCESS
    bound = Bound(Look(Family.DEAD, "from the end of the process; late responses that pass the check eject no backend"))
    needs = Startable
    params = ColdStartParams
    support = Support({"docker": MECHANISM, "local": MECHANISM})

    async def inject(self, target: Startable, params: ColdStartParams, duration_s: float) -> Injection:
        await order(target, {"mode": "cold", "delay_ms": params.delay * 1000, "duration_s": duration_s})
        stopped = await target.stop()
        await target.ensure_running()
        return Injection(stopped.mono, MECHANISM)

    async def verify(self, target: Startable, params: ColdStartParams, before: Before) -> Verdict:
        deadline = time.monotonic() + VERIFY_DEADLINE_S - SPARE_S
        while (left_s := deadline - time.monotonic()) > 0:
            answer = await probe(target, timeout_s=left_s)
            if answer.connect_s is not None:
                break
            await asyncio.sleep(POLL_S)
        now = await target.incarnation()
        evidence = f"before: {before.incarnation}, {before.answer}; after: {now}, {answer}"
        if not answer.ok:  # it does not listen yet, or the delay is longer than the time that is left
            return Verdict(False if now == before.incarnation else None, evidence)
        late = answer.took_s - before.answer.took_s >= SEEN_SHARE * params.delay
        return Verdict(now != before.incarnation and late, evidence)

    async def heal(self, target: Startable) -> None:
        await target.ensure_running()
        with contextlib.suppress(InjectionFailedError):  # it may not listen yet; the delay ends by itself
            await order(target, {"mode": "ok"})


FAULT = ColdStart()
