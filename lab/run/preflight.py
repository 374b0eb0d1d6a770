"""Checks and measures the lab before traffic starts: all backends up, no fault active, all clock offsets known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..evidence.clock import ClockOffset, measure_offset
from ..evidence.record import BALANCER
from ..identity import Identity, identify, in_use
from ..polling import until
from ..scenario.plan import Plan
from ..scenario.units import parse_duration
from ..services.balancer_view import BalancerView
from ..services.clients import ChaosClient, Json

READY_WITHIN_S = 20.0
SEPARATION_S = 2.0
"""Seconds after the planned end of a fault before its target is chosen again: it may not be readmitted yet."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The state of the lab just before the run."""

    backends: list[Json]
    """Response to `GET /backends`."""
    identities: dict[str, Identity]
    """Identities by target name."""
    config: Json
    bounds: list[Json]
    lb_clock: ClockOffset
    chaos_clock: ClockOffset
    targets: tuple[str, ...]
    """Target of each step of the plan; `lb` for a step that concerns the balancer or all backends."""

    @property
    def health_interval_s(self) -> float:
        """Seconds between two health checks of a healthy backend."""
        return float(parse_duration(self.config["health"]["interval"]))


async def prepare(plan: Plan, balancer: BalancerView, chaos: ChaosClient) -> Readiness:
    """Wait until the lab is ready, and return its state.

    Raise EnvironmentProblemError if it is not ready in time or a fault is still active, and BadArgumentsError if the
    plan names a target that the lab does not have.
    """
    await _refuse_active_faults(chaos)
    backends, identities = await wait_until_all_up(balancer, chaos, READY_WITHIN_S, at_start=True)
    await balancer.reset_history(backends)
    return Readiness(
        backends=backends,
        identities=identities,
        config=await balancer.config(),
        bounds=await balancer.bounds(),
        lb_clock=await measure_offset(balancer.clock),
        chaos_clock=await measure_offset(chaos.clock),
        targets=_choose_targets(plan, identities),
    )


async def wait_until_all_up(
    balancer: BalancerView, chaos: ChaosClient, within_s: float, *, at_start: bool = False
) -> tuple[list[Json], dict[str, Identity]]:
    """Wait until the balancer uses every target; return its backends and the identities of the targets.

    A service that does not answer may be restarting, so it is asked again. `at_start`: whether no fault has been
    injected yet. A balancer that then refuses every request is misconfigured, and waiting longer would not help.

    Raise EnvironmentProblemError if a target is still not in use after `within_s` seconds.
    """
    backends: list[Json] = []
    identities: dict[str, Identity] = {}
    missing: list[str] = []

    async def all_up() -> bool:
        nonlocal backends, identities, missing
        try:
            backends = await balancer.backends()
            identities = identify(await chaos.targets(), backends)
            missing = _missing(identities, backends)
        except EnvironmentProblemError as error:
            missing = [str(error)]
        if missing and at_start and (refusal := balancer.refusal()):
            raise EnvironmentProblemError(
                f"the balancer forwards no request: {refusal}", "`lab status` shows what runs"
            )
        return not missing

    if not await until(all_up, within_s):
        raise EnvironmentProblemError(
            f"the lab was not ready within {within_s:.0f} s: {'; '.join(missing)}", "`lab status` shows what runs"
        )
    return backends, identities


async def _refuse_active_faults(chaos: ChaosClient) -> None:
    active = await chaos.active_faults()
    if active:
        names = ", ".join(f"{fault['kind']} on {fault['target']}" for fault in active)
        raise EnvironmentProblemError(f"the lab is still under a fault: {names}", "heal it: `lab faults heal --all`")


def _choose_targets(plan: Plan, identities: Mapping[str, Identity]) -> tuple[str, ...]:
    """Return a target for each step. `any` and `random` avoid the targets of steps that overlap in time."""
    chosen: list[str] = []
    try:
        for step in plan.steps:
            taken = {
                name
                for other, name in zip(plan.steps, chosen, strict=False)
                if other.at_s + other.duration_s + SEPARATION_S > step.at_s
            }
            free = [name for name in identities if name not in taken]
            names = [*identities] if step.target is not None else free or [*identities]
            chosen.append(step.choose(names) if step.needs_target else BALANCER)
    except ValueError as error:
        raise BadArgumentsError(str(error), "name a target of this lab, or write `target: any`") from error
    return tuple(chosen)


def _missing(identities: Mapping[str, Identity], backends: list[Json]) -> list[str]:
    states = {each["id"]: str(each["state"]) for each in backends}
    usable = {each["id"] for each in backends if in_use(each)}
    problems = [] if identities else ["the chaos service knows no backend"]
    for name, identity in identities.items():
        if not identity.backends:
            problems.append(f"{name} is not known to the balancer")
        problems += [f"{name} is {states[each]}" for each in identity.backends if each not in usable]
    return [*problems, *dict.fromkeys(str(each["why"]) for each in backends if each.get("why"))]
