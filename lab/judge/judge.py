"""Turns the record of a run into its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..evidence.failover_times import readmit_s, reroute_s
from ..evidence.history import Outcome
from ..evidence.record import Fault, RunRecord, load_run
from ..evidence.verdict import Check, FaultResult, RequestCounts, RunVerdict, Verdict, worst
from .checkers import attribution, generator_lag, work
from .checkers.registry import PRECONDITIONS, SENSITIVE_TO_HOST, checkers


def judge(run: RunRecord, wanted: Mapping[str, Callable[[RunRecord], Check]] | None = None) -> RunVerdict:
    """Run every checker and return the worst result, or `unknown` if a precondition is not met.

    If the record is incomplete or a clock stepped, that may have caused a failed check. The check is shown as failed,
    but does not fail the run.
    """
    known = checkers() if wanted is None else wanted
    checks = tuple(_run_checker(name, checker, run) for name, checker in known.items())
    checks += tuple(
        Check(name, Verdict.UNKNOWN, "no installed package has this checker")
        for name in run.expect.checkers
        if name not in known
    )
    reliable = run.completed and all(check.verdict is Verdict.PASS for check in checks if check.name in PRECONDITIONS)
    verdict = worst(check.verdict for check in checks) if reliable else Verdict.UNKNOWN
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
    """Judge the run in a folder and write its `verdict.json`. Raise BadArgumentsError if the folder has no run."""
    verdict = judge(load_run(run_dir))
    verdict.write(run_dir)
    return verdict


def count_requests(run: RunRecord) -> RequestCounts:
    """Return the number of each outcome after the warm-up. A request without an outcome is unknown."""
    failed = sum(request.outcome is Outcome.FAIL for request in run.bad)
    slow = sum(request.outcome is Outcome.OK for request in run.bad)
    unknown = len(run.bad) - failed - slow
    total = len(run.measured)
    return RequestCounts(total=total, ok=total - failed - unknown, failed=failed, unknown=unknown, slow=slow)


def is_unknown_because_of_host(verdict: RunVerdict) -> bool:
    """Return whether a busy host is the only reason why the run did not pass, so that repeating it may help."""
    not_passed = [check for check in verdict.checks if check.verdict is not Verdict.PASS]
    return bool(not_passed) and all(
        check.verdict is Verdict.UNKNOWN and check.name in SENSITIVE_TO_HOST for check in not_passed
    )


def _run_checker(name: str, checker: Callable[[RunRecord], Check], run: RunRecord) -> Check:
    try:
        return checker(run)
    except Exception as error:  # noqa: BLE001 - a checker that crashes must not make the run pass
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
        reroute_s=reroute_s(fault, run.measured, run.plan.load.slow_s) if run.backends_are_known else None,
        bound_s=bound.allowed_s if bound else None,
        readmit_s=readmit_s(fault, run),
        readmit_bound_s=bound.readmit_s if bound else None,
        reroute_traffic_bound_s=bound.reroute_traffic_s if bound else None,
        heal_started_at=fault.heal_started_at,
        instance=fault.instance,
        backends=fault.backends,
        evidence=fault.evidence,
    )
