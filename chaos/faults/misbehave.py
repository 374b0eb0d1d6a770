"""error, slow, hang, unhealthy, lie: asked of the backend itself, through its `PUT /misbehave`.

They tell apart what a balancer believes (the probe) from what clients get (the work). The backend returns to `ok` by
itself after the duration, and after a restart.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from ..drivers.probe import HEALTH_PATH, Answer, ask
from ..drivers.targets import Injection, Orderable, Target
from ..errors import InjectionFailedError
from ..inputs.units import Seconds, Share
from .base import SILENCE_S, Before, Layer, NoParams, Params, Verdict

PATH = "/misbehave"
WORK_PATH = "/work"
ASK_S = 2.0
OWN_END_S = 1.0
"""The backend's own end comes this much after ours, so that it is ours which is seen and recorded."""
ENOUGH = 20
"""Questions asked before an error rate is called absent; 5 % would then go unseen in a third of the runs, so rates that
low are answered with None."""


class ErrorParams(Params):
    """`rate` in percent of the answers, `status` of these."""

    rate: Share = Field(default=1.0, gt=0, validate_default=False)
    status: int = Field(default=500, ge=500, le=599)


class LieParams(Params):
    """`status` of the failing work."""

    status: int = Field(default=500, ge=500, le=599)


class SlowParams(Params):
    """`delay` with its unit, before each answer."""

    delay: Seconds = Field(gt=0, le=60)


class _Misbehaviour:
    """What all five share: one PUT to start, one to end."""

    kind: str
    layer = Layer.APP
    needs = Orderable
    params: type[Params] = NoParams
    mechanism = "misbehave"

    def wish(self, params: Any) -> dict[str, Any]:
        """The body of the PUT, without mode and duration."""
        return {}

    async def inject(self, target: Orderable, params: Any, duration_s: float) -> Injection:
        await _order(target, {"mode": self.kind, "duration_s": duration_s + OWN_END_S, **self.wish(params)})
        return Injection(time.monotonic(), self.mechanism)

    async def heal(self, target: Orderable) -> None:
        await _order(target, {"mode": "ok"})


async def _order(target: Orderable, wish: dict[str, Any]) -> None:
    try:
        token = target.order_token()
    except OSError as error:
        raise InjectionFailedError(f"CHAOS_MISBEHAVE_TOKEN_FILE cannot be read: {error.strerror}") from error
    answer = await ask(await target.address(), PATH, timeout_s=ASK_S, method="PUT", body=wish, token=token)
    if not answer.ok:
        hint = "; CHAOS_MISBEHAVE_TOKEN must be its API_MISBEHAVE_TOKEN" if answer.status in (401, 403) else ""
        raise InjectionFailedError(f"{target.name} did not take PUT {PATH}: {answer}{hint}")


class Error(_Misbehaviour):
    """A share of all answers, health included, is an error."""

    kind = "error"
    params = ErrorParams

    def wish(self, params: ErrorParams) -> dict[str, Any]:
        return {"rate": params.rate, "status": params.status}

    async def verify(self, target: Target, params: ErrorParams, before: Before) -> Verdict:
        address = await target.address()
        for asked in range(1, ENOUGH + 1):
            answer = await ask(address, timeout_s=SILENCE_S)
            if answer.status == params.status:
                return Verdict(True, f"answer {asked}: {answer}")
        unlikely = (1 - params.rate) ** ENOUGH < 0.05
        return Verdict(False if unlikely else None, f"no error in {ENOUGH} answers")


class Slow(_Misbehaviour):
    """Every answer, health included, comes late."""

    kind = "slow"
    params = SlowParams

    def wish(self, params: SlowParams) -> dict[str, Any]:
        return {"delay_ms": params.delay * 1000}

    async def verify(self, target: Target, params: SlowParams, before: Before) -> Verdict:
        answer = await ask(await target.address(), timeout_s=1.9)
        bit = answer.took_s >= 0.8 * min(params.delay, 1.9) and (answer.ok or answer.failure == "timeout")
        return Verdict(bit, f"direct probe before: {before.answer}; now: {answer}")


class Hang(_Misbehaviour):
    """Every request, health included, is accepted and never answered."""

    kind = "hang"

    async def verify(self, target: Target, params: NoParams, before: Before) -> Verdict:
        answer = await ask(await target.address(), timeout_s=SILENCE_S)
        return Verdict(answer.failure == "timeout", f"direct probe: {answer}")


class Unhealthy(_Misbehaviour):
    """The health check fails, the work works."""

    kind = "unhealthy"

    async def verify(self, target: Target, params: NoParams, before: Before) -> Verdict:
        health, work = await _health_and_work(target)
        return Verdict(not health.ok and work.ok, f"{HEALTH_PATH}: {health}; {WORK_PATH}: {work}")


class Lie(_Misbehaviour):
    """The health check passes, the work fails."""

    kind = "lie"
    params = LieParams

    def wish(self, params: LieParams) -> dict[str, Any]:
        return {"status": params.status}

    async def verify(self, target: Target, params: LieParams, before: Before) -> Verdict:
        health, work = await _health_and_work(target)
        return Verdict(health.ok and work.status == params.status, f"{HEALTH_PATH}: {health}; {WORK_PATH}: {work}")


async def _health_and_work(target: Target) -> tuple[Answer, Answer]:
    address = await target.address()
    return await ask(address, timeout_s=SILENCE_S), await ask(address, WORK_PATH, timeout_s=SILENCE_S)


MISBEHAVIOURS = (Error(), Slow(), Hang(), Unhealthy(), Lie())
