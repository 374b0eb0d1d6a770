"""From a run's record to its verdict. Pure; an old run can be judged again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from ..evidence.failover_times import readmit_s, reroute_s
from ..evidence.history import Outcome
from ..evidence.record import Fault, RunRecord, load_run
from ..evidence.verdict import Check, FaultResult, RequestCounts, RunVerdict, Verdict, worst
from ..extensions import CHECKERS as GROUP
from ..extensions import load, points
from .checkers import (
    answered,
    attribution,
    budgets,
    clocks,
    completeness,
    distribution,
    ejections,
    fault_bit,
    generator_lag,
    idempotent_ok,
    latency,
    no_dead_traffic,
    not_vacuous,
    punctuality,
    readmit_within_bound,
    reroute_within_bound,
    retry_budget,
    stickiness,
    truncation,
    work,
)

Checker = Callable[[RunRecord], Check]

CHECKERS: dict[str, Checker] = {
    module.NAME: module.check
    for module in (
        completeness,
        clocks,
        fault_bit,
        reroute_within_bound,
        readmit_within_bound,
        idempotent_ok,
        budgets,
        latency,
        work,
        truncation,
        no_dead_traffic,
        retry_budget,
        distribution,
        stickiness,
        ejections,
        answered,
        attribution,
        not_vacuous,
        punctuality,
        generator_lag,
    )
}
"""In the order in which they are told: first what every other one stands on."""

_GROUNDS = frozenset({completeness.NAME, clocks.NAME})
"""What every other checker stands on: without a whole record and clocks in step nothing is shown, not even a fail."""
_SPOILED_BY_HOST = frozenset({generator_lag.NAME, attribution.NAME, latency.NAME, ejections.NAME, answered.NAME})
"""Checkers that are unknown only where a witness saw the host busy."""


@cache
def checkers() -> dict[str, Checker]:
    """Return all checkers: ours, then those of other packages. Raise EnvironmentProblemError where a name is taken."""
    return CHECKERS | load("checker", CHECKERS, lambda _, checker: callable(checker), points(GROUP))


def judge(run: RunRecord, wanted: dict[str, Checker] | None = None) -> RunVerdict:
    """Run every checker; the worst of their answers is the verdict, unless the record itself is no ground: unknown.

    What is missing, or told by a clock that stepped, may be what explains the rest: a failed check of such a run is
    told, but not believed.
    """
    known = checkers() if wanted is None else wanted
    checks = tuple(_run_checker(name, checker, run) for name, checker in known.items())
    checks += tuple(
        Check(name, Verdict.UNKNOWN, "no installed package has this checker")
        for name in run.plan.expect.checkers
        if name not in known
    )
    grounded = run.completed and all(check.verdict is Verdict.PASS for check in checks if check.name in _GROUNDS)
    verdict = worst(check.verdict for check in checks) if grounded else Verdict.UNKNOWN
    return RunVerdict(
        run_id=str(run.meta.get("run_id", "")),
        started=str(run.meta.get("started", "")),
        verdict=verdict,
        scenario=run.plan.scenario,
        runtime=str(run.meta.get("runtime", "")),
        balancer=str(run.meta.get("balancer", "")),
        seed=run.plan.seed,
        requests=count_requests(run),
        faults=tuple(_fault_result(fault, run) for fault in run.faults),
        work=work.count(run),
        checks=checks,
        lag_p99_s=generator_lag.p99(run),
        attributions=tuple(attribution.attribute(run)),
    )


def judge_folder(run_dir: Path) -> RunVerdict:
    """Judge the run in a folder and write its `verdict.json`. Raises BadArgumentsError when it holds no run."""
    verdict = judge(load_run(run_dir))
    verdict.write(run_dir)
    return verdict


def count_requests(run: RunRecord) -> RequestCounts:
    """Outcomes after the warm-up; a request without one is unknown."""
    failed = sum(request.outcome is Outcome.FAIL for request in run.bad)
    slow = sum(request.outcome is Outcome.OK for request in run.bad)
    unknown = len(run.bad) - failed - slow
    total = len(run.measured)
    return RequestCounts(total=total, ok=total - failed - unknown, failed=failed, unknown=unknown, slow=slow)


def spoiled_by_host(verdict: RunVerdict) -> bool:
    """Whether the run is unknown for no other reason than a host that was too busy: to be repeated, not believed."""
    open_checks = [check for check in verdict.checks if check.verdict is not Verdict.PASS]
    return bool(open_checks) and all(
        check.verdict is Verdict.UNKNOWN and check.name in _SPOILED_BY_HOST for check in open_checks
    )


def _run_checker(name: str, checker: Checker, run: RunRecord) -> Check:
    try:
        return checker(run)
    except Exception as error:  # noqa: BLE001 - whatever broke in a checker, the run is not passed on its account
        return Check(name, Verdict.UNKNOWN, f"the checker crashed: {type(error).__name__}: {error}")


def _fault_result(fault: Fault, run: RunRecord) -> FaultResult:
    bound = run.bounds.get(fault.kind)
    return FaultResult(
        kind=fault.kind,
        target=fault.target,
        mechanism=fault.mechanism,
        injected_at=fault.injected_at,
        healed_at=fault.healed_at,
        bit=fault.bit,
        reroute_s=reroute_s(fault, run.measured, run.plan.load.slow_s),
        bound_s=bound.allowed_s if bound else None,
        readmit_s=readmit_s(fault, run),
        readmit_bound_s=bound.readmit_s if bound else None,
        reroute_traffic_bound_s=bound.reroute_traffic_s if bound else None,
        heal_started_at=fault.heal_started_at,
        instance=fault.instance,
        backends=fault.backends,
        evidence=fault.evidence,
    )
