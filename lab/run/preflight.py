"""What must be true before traffic starts, and what is noted then: everybody up, nothing faulted, all clocks known."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..evidence.clock import ClockOffset, measure_offset
from ..evidence.identity import Identity, identify
from ..scenario.plan import Plan
from ..scenario.units import parse_duration
from ..services.balancer_view import BalancerView
from ..services.clients import ChaosClient, Json

READY_WITHIN_S = 20.0
POLL_S = 0.1
APART_S = 2.0
"""A backend whose fault has just ended is not back yet."""
NO_TARGET = "lb"
"""Of steps that happen to the balancer or to all backends."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The lab as it was before the run."""

    backends: list[Json]
    identities: dict[str, Identity]
    config: Json
    bounds: list[Json]
    lb_clock: ClockOffset
    chaos_clock: ClockOffset
    targets: tuple[str, ...]
    """The target of each step of the plan; `lb` where it is no backend."""

    @property
    def health_interval_s(self) -> float:
        """Between two checks of a backend while all is quiet."""
        return float(parse_duration(self.config["health"]["interval"]))


async def prepare(plan: Plan, balancer: BalancerView, chaos: ChaosClient) -> Readiness:
    """Wait for the lab and take stock of it.

    Raises EnvironmentProblemError when it is not ready in time or still faulted, BadArgumentsError when the plan
    names a target that it does not have.
    """
    await _refuse_leftovers(chaos)
    backends, identities = await all_up(balancer, chaos, READY_WITHIN_S, at_start=True)
    await balancer.pardon(backends)
    return Readiness(
        backends=backends,
        identities=identities,
        config=await balancer.config(),
        bounds=await balancer.bounds(),
        lb_clock=await measure_offset(balancer.clock),
        chaos_clock=await measure_offset(chaos.clock),
        targets=_choose(plan, identities),
    )


async def all_up(
    balancer: BalancerView, chaos: ChaosClient, within_s: float, *, at_start: bool = False
) -> tuple[list[Json], dict[str, Identity]]:
    """Wait until the balancer uses every target. Raises EnvironmentProblemError when it does not in time.

    `at_start`: no fault has been injected yet, so a balancer that refuses every request will go on with it.

    A service that does not answer may just be restarting: that is one more thing to wait for.
    """
    deadline = time.monotonic() + within_s
    while True:
        try:
            backends = await balancer.backends()
            identities = identify(await chaos.targets(), backends)
            missing = _missing(identities, backends)
        except EnvironmentProblemError as error:
            missing = [str(error)]
        if not missing:
            return backends, identities
        if at_start and (refusal := balancer.refusal()):
            raise EnvironmentProblemError(
                f"the balancer forwards no request: {refusal}", "`lab status` shows what runs"
            )
        if time.monotonic() >= deadline:
            raise EnvironmentProblemError(
                f"the lab was not ready within {within_s:.0f} s: {'; '.join(missing)}", "`lab status` shows what runs"
            )
        await asyncio.sleep(POLL_S)


async def _refuse_leftovers(chaos: ChaosClient) -> None:
    active = await chaos.active_faults()
    if active:
        names = ", ".join(f"{fault['kind']} on {fault['target']}" for fault in active)
        raise EnvironmentProblemError(f"the lab is still under a fault: {names}", "heal it: `lab faults heal --all`")


def _choose(plan: Plan, identities: Mapping[str, Identity]) -> tuple[str, ...]:
    """A target for each step; `any` and `random` keep out of the way of steps that overlap them."""
    chosen: list[str] = []
    try:
        for step in plan.steps:
            taken = {
                name
                for other, name in zip(plan.steps, chosen, strict=False)
                if other.at_s + other.duration_s + APART_S > step.at_s
            }
            free = [name for name in identities if name not in taken]
            names = [*identities] if step.target is not None else free or [*identities]
            chosen.append(step.choose(names) if step.needs_target else NO_TARGET)
    except ValueError as error:
        raise BadArgumentsError(str(error), "name a target of this lab, or write `target: any`") from error
    return tuple(chosen)


def _missing(identities: Mapping[str, Identity], backends: list[Json]) -> list[str]:
    states = {each["id"]: str(each["state"]) for each in backends}
    complaints = [] if identities else ["the chaos service knows no backend"]
    for name, identity in identities.items():
        if not identity.backends:
            complaints.append(f"{name} is not known to the balancer")
        complaints += [f"{name} is {states[each]}" for each in identity.backends if states[each].lower() != "up"]
    return [*complaints, *dict.fromkeys(str(each["why"]) for each in backends if each.get("why"))]
