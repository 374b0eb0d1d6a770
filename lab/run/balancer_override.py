"""Gives the balancer the settings that a scenario asks for, for the duration of the run."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ..errors import EnvironmentProblemError
from ..polling import until
from ..scenario.plan import Plan
from ..services.balancer_view import BalancerView
from ..services.endpoints import Endpoints

READY_WITHIN_S = 15.0


@contextlib.asynccontextmanager
async def override_balancer_settings(plan: Plan, endpoints: Endpoints, balancer: BalancerView) -> AsyncIterator[None]:
    """Restart the balancer with the plan's settings, and afterwards without them. Do nothing if the plan has none.

    Raise EnvironmentProblemError if this lab cannot restart its balancer, or if the balancer does not start.
    """
    if not plan.balancer:
        yield
        return
    control = endpoints.runtime_control
    if control is None:
        raise EnvironmentProblemError(f"{plan.scenario} changes settings of the balancer, which this lab cannot do")
    try:
        await control.configure_balancer(plan.balancer)
        await _wait_until_it_answers(balancer, f"the balancer did not start with {', '.join(plan.balancer)}")
        yield
    finally:
        await control.configure_balancer({})
        await _wait_until_it_answers(balancer, "the balancer did not start again with its usual settings")


async def _wait_until_it_answers(balancer: BalancerView, failure: str) -> None:
    last_error: EnvironmentProblemError | None = None

    async def answers() -> bool:
        nonlocal last_error
        try:
            await balancer.clock()
        except EnvironmentProblemError as error:
            last_error = error
            return False
        return True

    if not await until(answers, READY_WITHIN_S):
        raise EnvironmentProblemError(f"{failure}: {last_error}", "run `lab up` and read its log") from last_error
