"""Why was each bad request bad? Every one is put down to a fault, a backend and a phase, or the run fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ...evidence.failover_times import detected_at
from ...evidence.history import Outcome, Request
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Attribution, Check, Phase, Verdict
from . import generator_lag

NAME = "attribution"
EARLY_S = 0.3
"""A kill, stop or pause is in effect within this of being asked for (the limit of `lab bench faults`); an injection
that takes longer spends its beginning on starting a helper, and nothing bites meanwhile."""
_SHOWN = 5


def attribute(run: RunRecord) -> Iterator[Attribution]:
    """All bad requests after the warm-up, in order of invocation."""
    detected = [detected_at(fault, run) for fault in run.faults]
    for request in run.bad:
        yield _explain(request, run, detected)


def check(run: RunRecord) -> Check:
    """Fails when any bad request is unexplained; unknown when a busy host is the better explanation for all of them."""
    found = [*attribute(run)]
    phases = Counter(each.phase for each in found)
    summary = ", ".join(f"{phases[phase]} {phase.replace('_', ' ')}" for phase in Phase if phases[phase])
    text = f"{len(found)} bad requests: {summary}" if found else "no bad request"
    ids = {each.request for each in found if each.phase is Phase.UNEXPLAINED}
    unexplained = [request for request in run.bad if request.id in ids]
    if not unexplained:
        return Check(NAME, Verdict.PASS, text)
    examples = "; ".join(_describe(request) for request in unexplained[:_SHOWN])
    late = generator_lag.check(run).verdict is not Verdict.PASS
    if all(_is_the_hosts_doing(request, run, late) for request in unexplained):
        return Check(NAME, Verdict.UNKNOWN, f"{text}. The host stood still or was too busy: {examples}")
    return Check(NAME, Verdict.FAIL, f"{text}. Unexplained: {examples}")


def _is_the_hosts_doing(request: Request, run: RunRecord, generator_was_late: bool) -> bool:
    """Answered well but late, while the lab itself could not keep time."""
    return _host_was_busy(request, run) or (request.outcome is Outcome.OK and generator_was_late)


def _host_was_busy(request: Request, run: RunRecord) -> bool:
    """A witness saw the host without CPU to spare during a request that was answered well but late."""
    if request.outcome is not Outcome.OK or request.ended is None:
        return False
    return run.host_was_busy(request)


def _explain(request: Request, run: RunRecord, detected: list[float | None]) -> Attribution:
    outcome = _word(request)
    for index, fault in enumerate(run.faults):
        if (fault.touches(request) is not False and _overlaps(request, fault)) or fault.touches_moved(request):
            own = {*fault.backends, *fault.backends_after}
            backend = next((each for each in request.tried if each in own), fault.target)
            return Attribution(request.id, outcome, index, backend, _phase(request, fault, detected[index], run))
    backend = request.backend or (request.tried[-1] if request.tried else "")
    for index, fault in enumerate(run.faults):
        if fault.being_injected(request) and (_met_it_early(request, fault) or _host_was_busy(request, run)):
            return Attribution(request.id, outcome, index, backend, Phase.INJECTING)
    return Attribution(request.id, outcome, None, backend, Phase.UNEXPLAINED)


def _overlaps(request: Request, fault: Fault) -> bool:
    """The request was under way while the target was faulted or not yet seen to work again."""
    begin, healing = fault.window
    until = healing if fault.healed_at is None else fault.healed_at
    return request.due < until and (request.ended is None or request.ended > begin)


def _met_it_early(request: Request, fault: Fault) -> bool:
    """A killed process is gone some milliseconds before its runtime says so (`injected_at`): what its target did not
    answer meanwhile met the fault. An answer that was merely late needs another explanation."""
    if request.outcome is Outcome.OK or request.ended is None or fault.injected_at is None:
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


def _word(request: Request) -> str:
    if request.outcome is Outcome.OK:
        return "slow"
    return "failed" if request.outcome is Outcome.FAIL else "unknown"


def _describe(request: Request) -> str:
    took = "no outcome" if request.latency is None else f"{request.latency * 1000:.0f} ms"
    tried = ",".join(request.tried) or "nobody known"
    what = request.error or _word(request)
    return f"#{request.id} {request.method} at {request.due:.3f} s: {what}, {took}, tried {tried}"
