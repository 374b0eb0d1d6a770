"""Code shared by the faults of the application, which make the backend misbehave through `PUT /misbehave`.

Such a fault can affect health checks and clients' requests differently. The backend returns to `ok` by itself after the
duration, and after a restart.
"""

from __future__ import annotations

import time
from typing import Any

from ..drivers.probe import Answer, ask
from ..drivers.targets import Injection, Orderable, Target
from ..errors import InjectionFailedError
from .base import SILENCE_S, Layer, NoParams, Params, Support

PATH = "/misbehave"
WORK_PATH = "/work"
ASK_S = 2.0
OWN_END_S = 1.0
"""The backend ends the fault by itself this many seconds after its duration, so that normally the heal ends it."""
MECHANISM = "misbehave"


class Misbehaviour:
    """A fault that one PUT starts and another PUT ends."""

    kind: str
    layer = Layer.APP
    needs = Orderable
    params: type[Params] = NoParams
    support = Support({"docker": MECHANISM, "local": MECHANISM})

    def wish(self, params: Any) -> dict[str, Any]:
        """Return the body of the PUT, without mode and duration."""
        return {}

    async def inject(self, target: Orderable, params: Any, duration_s: float) -> Injection:
        await order(target, {"mode": self.kind, "duration_s": duration_s + OWN_END_S, **self.wish(params)})
        return Injection(time.monotonic(), MECHANISM)

    async def heal(self, target: Orderable) -> None:
        await order(target, {"mode": "ok"})


async def probe(target: Target, path: str = "", timeout_s: float = SILENCE_S) -> Answer:
    """Send one request directly to the backend, without a path its health check, and return the result."""
    return await ask(await target.address(), path, timeout_s=timeout_s)


async def health_and_work(target: Target) -> tuple[Answer, Answer, str]:
    """Probe the health check and `/work`. Return both results, and a text with both."""
    health, work = await probe(target), await probe(target, WORK_PATH)
    return health, work, f"health check: {health}; {WORK_PATH}: {work}"


async def order(target: Orderable, wish: dict[str, Any]) -> None:
    """Send `PUT /misbehave` to the backend. Raise InjectionFailedError if it does not accept the order."""
    try:
        token = target.order_token((await target.info()).instance)
    except OSError as error:
        raise InjectionFailedError(f"the token of {target.name} cannot be read: {error}") from error
    answer = await ask(await target.address(), PATH, timeout_s=ASK_S, method="PUT", body=wish, token=token)
    if not answer.ok:
        hint = "; CHAOS_MISBEHAVE_TOKEN must be its API_MISBEHAVE_TOKEN" if answer.status in (401, 403) else ""
        raise InjectionFailedError(f"{target.name} did not accept PUT {PATH}: {answer}{hint}")
