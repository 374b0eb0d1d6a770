"""Does a fault explain every bad request? Each is attributed to a fault, a backend and a phase, or the run fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...evidence.failover_times import detected_at
from ...evidence.history import Outcome, Request
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Attribution, Check, Phase, Verdict
from ...services.identification import NOT_KNOWN
from . import generator_lag

NAME = "attribution"
FAILS_WHEN = "no fault explains a bad request"
UNKNOWN_WHEN = "all unexplained requests are merely slow, and the host stalled or the generator lagged"
EARLY_S = 0.3
"""Seconds by which a fault may take effect before its injection is reported. A kill, stop or pause takes less in total
(the limit of `lab bench faults`). A longer injection begins with starting a helper, and has no effect until that
runs."""
_SHOWN = 5


def attribute(run: RunRecord) -> Iterator[Attribution]:
    """Yield the cause of each bad request after the warm-up, in order of invocation."""
    detected = [detected_at(fault, run) for fault in run.faults]
    for request in run.bad:
        yield _explain(request, run, detected)


def check(run: RunRecord) -> Check:
    """Count bad requests by phase. Unexplained ones fail the run, unless a busy host may have caused all of them."""
    found = [*attribute(run)]
    phases = Counter(each.phase for each in found)
    summary = ", ".join(f"{phases[phase]} {phase.replace('_', ' ')}" for phase in Phase if phases[phase])
    text = f"{len(found)} bad requests: {summary}" if found else "no bad request"
    if found and not run.backends_are_known:
        text += f" ({NOT_KNOWN}, so a fault explains what overlaps it in time)"
    ids = {each.request for each in found if each.phase is Phase.UNEXPLAINED}
    unexplained = [request for request in run.bad if request.id in ids]
    if not unexplained:
        return Check(NAME, Verdict.PASS, text)
    examples = "; ".join(_describe(request) for request in unexplained[:_SHOWN])
    generator_was_late = generator_lag.check(run).verdict is not Verdict.PASS
    if all(_host_slowed(request, run) or (_is_ok(request) and generator_was_late) for request in unexplained):
        return Check(NAME, Verdict.UNKNOWN, f"{text}. The host stalled or was too busy: {examples}")
    return Check(NAME, Verdict.FAIL, f"{text}. Unexplained: {examples}")


def _is_ok(request: Request) -> bool:
    return request.outcome is Outcome.OK


def _host_slowed(request: Request, run: RunRecord) -> bool:
    """Return whether the answer was good but late while the host was busy."""
    return _is_ok(request) and run.host_was_busy_during(request)


def _explain(request: Request, run: RunRecord, detected: list[float | None]) -> Attribution:
    outcome = _outcome_word(request)
    for index, fault in enumerate(run.faults):
        if (fault.touches(request) is not False and _overlaps(request, fault)) or fault.touches_moved(request):
            own = {*fault.backends, *fault.backends_after}
            guess = fault.target if run.backends_are_known else ""
            backend = next((each for each in request.tried if each in own), guess)
            return Attribution(request.id, outcome, index, backend, _phase(request, fault, detected[index], run))
    backend = request.backend or (request.tried[-1] if request.tried else "")
    for index, fault in enumerate(run.faults):
        if fault.was_being_injected(request) and (_hit_early(request, fault) or _host_slowed(request, run)):
            return Attribution(request.id, outcome, index, backend, Phase.INJECTING)
    return Attribution(request.id, outcome, None, backend, Phase.UNEXPLAINED)


def _overlaps(request: Request, fault: Fault) -> bool:
    """Return whether the request was in flight while the target was faulted, or not yet verified to work again."""
    begin, healing = fault.window
    until = healing if fault.healed_at is None else fault.healed_at
    return request.due < until and (request.ended is None or request.ended > begin)


def _hit_early(request: Request, fault: Fault) -> bool:
    """Return whether the target did not answer the request shortly before the fault was reported as injected.

    A killed process ends some milliseconds before its runtime reports it (`injected_at`). Such a request failed because
    of the fault. A response that was only late needs another explanation.
    """
    if _is_ok(request) or request.ended is None or fault.injected_at is None:
        return False
    return fault.touches(request) is True and request.ended > fault.injected_at - EARLY_S


def _phase(request: Request, fault: Fault, detected: float | None, run: RunRecord) -> Phase:
    begin, _ = fault.window
    bound = run.bounds.get(fault.kind)
    if request.due < begin:
        return Phase.DRAINING
    allowed_s = bound.allowed_s if bound else None
    if allowed_s is not None and request.due > begin + allowed_s + run.clock_error_s:
        return Phase.AFTER_BOUND
    return Phase.BEFORE_DETECTION if detected is None or request.due <= detected else Phase.DRAINING


def _outcome_word(request: Request) -> str:
    if _is_ok(request):
        return "slow"
    return "failed" if request.outcome is Outcome.FAIL else "unknown"


def _describe(request: Request) -> str:
    took = "no outcome" if request.latency is None else f"{request.latency * 1000:.0f} ms"
    tried = ",".join(request.tried) or "no known backend"
    what = request.error or _outcome_word(request)
    return f"#{request.id} {request.method} at {request.due:.3f} s: {what}, {took}, tried {tried}"
