"""Undoes a fault with only its journal entry. The engine uses it, and the reaper if the service is dead."""

from __future__ import annotations

import asyncio
import time

from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_delay,
    wait_exponential,
)

from ..drivers.probe import ask
from ..drivers.targets import Running, Runtime, Target
from ..errors import ChaosError, NoAddressError, TargetGoneError
from ..faults import FAULTS
from .records import Entry

DEADLINE_S = 15.0
"""Seconds after the undo within which the backend must answer; otherwise the heal has failed."""
LOOK_S = 3.0
"""Seconds to wait for an answer after the undo before the undo is repeated."""
ASK_EVERY_S = 0.05
ANSWER_WITHIN_S = 1.0


class NotHealthyError(ChaosError):
    """The fault is undone, but the target does not answer."""

    code = "not_healthy"


async def undo(runtime: Runtime, entry: Entry, *, measure: bool = True) -> str | None:
    """Undo the fault and, with `measure`, wait until the target answers its health check.

    If it cannot be probed, wait until the runtime reports that it runs.

    If the target does not answer, repeat the undo, because it may have been killed or got another address meanwhile.
    Return a note if the target no longer exists, else None. Raise ChaosError after `DEADLINE_S`.
    """
    patiently = AsyncRetrying(
        retry=retry_if_exception_type(ChaosError) & retry_if_not_exception_type(TargetGoneError),
        stop=stop_after_delay(DEADLINE_S),
        wait=wait_exponential(multiplier=0.05, max=1.0),
        reraise=True,
    )
    try:
        async for attempt in patiently:
            with attempt:
                target = await runtime.recall(entry.record.target, entry.undo)
                # It was running when the fault was admitted. If it is down or frozen now, that is an effect of the
                # fault.
                await target.ensure_running()
                await FAULTS[entry.record.kind].heal(target)
                if measure:
                    await (_see_running if entry.unprobed else _see_healthy)(target)
    except TargetGoneError:
        return f"{entry.record.target} was removed: nothing to heal"
    return None


async def _see_running(target: Target) -> None:
    if (state := await target.running()) is not Running.RUNNING:
        raise NotHealthyError(f"undone, but {target.name} is {state}")


async def _see_healthy(target: Target) -> None:
    deadline = time.monotonic() + LOOK_S
    seen = "no time left to probe it"
    while time.monotonic() < deadline:
        try:
            answer = await ask(await target.address(), timeout_s=ANSWER_WITHIN_S)
            if answer.ok:
                return
            seen = str(answer)
        except NoAddressError as error:
            seen = error.detail
        await asyncio.sleep(ASK_EVERY_S)
    raise NotHealthyError(f"undone, but {target.name} does not answer its health check: {seen}")
