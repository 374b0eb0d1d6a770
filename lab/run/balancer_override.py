"""The balancer as a scenario wants it, for as long as the scenario runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from ..errors import EnvironmentProblemError
from ..scenario.plan import Plan
from ..services.balancer_view import BalancerView
from ..services.endpoints import Endpoints

READY_WITHIN_S = 15.0
POLL_S = 0.1


@contextlib.asynccontextmanager
async def configured(plan: Plan, endpoints: Endpoints, balancer: BalancerView) -> AsyncIterator[None]:
    """Restart the balancer with the plan's settings, and afterwards without them; nothing where the plan has none.

    Raises EnvironmentProblemError when this lab cannot, or the balancer does not start with them.
    """
    if not plan.balancer:
        yield
        return
    if endpoints.levers is None:
        raise EnvironmentProblemError(
            f"{plan.scenario} wants other settings of the balancer, which cannot be given here"
        )
    try:
        await endpoints.levers.configure_balancer(plan.balancer)
        await _answers(balancer, f"the balancer did not start with {', '.join(plan.balancer)}")
        yield
    finally:
        await endpoints.levers.configure_balancer({})
        await _answers(balancer, "the balancer did not start again with its usual settings")


async def _answers(balancer: BalancerView, complaint: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            await balancer.clock()
            return
        except EnvironmentProblemError as error:
            if time.monotonic() > until:
                raise EnvironmentProblemError(f"{complaint}: {error}", "`lab up`, and read its log") from error
        await asyncio.sleep(POLL_S)
