"""Measures one run as clients see it, from history and ledgers only, by the same rules for every balancer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..evidence.history import Outcome, Request
from ..evidence.record import Fault, RunRecord
from ..evidence.verdict import Verdict
from ..judge.checkers import generator_lag, work

HERD_BIN_S = 0.2
HERD_WITHIN_S = 1.0
DELAYED_S = 0.3
"""Total delay of the lab's wake-ups, each of 50 ms or more, from which on a run does not count."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of one run. Times are seconds. None: there was nothing to measure, or the event never happened.

    A new field defaults to None, because a `compare.json` that was written before it does not have it.
    """

    requests: int
    failed: int
    """Requests after the warm-up that got a bad response or none."""
    failed_posts: int
    """The POSTs among `failed`. No balancer may send a POST twice, so every balancer loses some in a pause."""
    slow: int
    reroute_s: float | None = None
    readmit_s: float | None = None
    p99_fault_s: float | None = None
    lost: int | None = None
    duplicated: int | None = None
    zombie: int | None = None
    herd: float | None = None
    cpu_us: float | None = None
    """CPU time of the balancer's processes per request, microseconds."""
    bad_in_fault: int | None = None
    """Requests due during a fault that failed or were slow."""
    gray_share: float | None = None
    """Share of the good and bad responses that the faulted backend gave in the second half of the faults, 0–1."""
    added_p99_s: float | None = None
    """99th percentile of the latency of good responses during the faults, less the one before them."""
    cut: int | None = None
    """Long streams and WebSockets that did not end as they should; None if the load has none."""
    serves_s: float | None = None
    """From telling the balancer of a new backend to its first good response, seconds; the longest of several."""


def measure(run: RunRecord, cpu_s: float | None = None) -> Measures:
    """Return the measures. `cpu_s`: CPU seconds of the balancer between the first and the last measured request."""
    slow_s = run.plan.load.slow_s
    short = [request for request in run.measured if not is_long(request)]
    bad = [request for request in short if request.outcome is not Outcome.OK]
    tally = work.count(run) if run.executions is not None else None
    return Measures(
        requests=len(run.measured),
        failed=len(bad),
        failed_posts=sum(request.method == "POST" for request in bad),
        slow=sum(request.is_slow(slow_s) for request in short),
        reroute_s=_worst([reroute_s(fault, run.measured, slow_s) for fault in run.faults]),
        readmit_s=_readmit(run),
        p99_fault_s=p99_fault_s(run),
        lost=tally.lost if tally else None,
        duplicated=tally.duplicated if tally else None,
        zombie=tally.zombie if tally else None,
        herd=herd(run),
        bad_in_fault=sum(each.is_bad(slow_s) for each in _during(run.faults, run.measured)) if run.faults else None,
        gray_share=gray_share(run),
        added_p99_s=added_p99_s(run),
        cut=cut(run.measured),
        serves_s=serves_s(run),
        cpu_us=None if cpu_s is None or not run.measured else round(cpu_s / len(run.measured) * 1e6, 1),
    )


def reroute_s(fault: Fault, requests: Sequence[Request], slow_s: float) -> float | None:
    """Return the seconds from injection to the due time of the last affected request, or 0.0 if none was affected.

    A request is affected if it was due during the fault and was bad, or was answered by the faulted replica. A retry
    that the client does not notice does not count. Not every balancer reports its attempts, so the rule uses only what
    clients can observe.
    """
    if fault.injected_at is None:
        return None
    begin, end = fault.window
    due = [each.due - begin for each in requests if begin <= each.due < end and _affected(fault, each, slow_s)]
    return round(max(due, default=0.0), 6)


def readmit_s(fault: Fault, requests: Sequence[Request]) -> float | None:
    """Return the seconds from the heal (seen by a direct probe) to the target's first good response; at least 0."""
    if fault.healed_at is None:
        return None
    first = _first_answer(fault, requests)
    return None if first is None else round(max(0.0, first - fault.healed_at), 6)


def is_long(request: Request) -> bool:
    """Return whether the request is a stream or a WebSocket message, which take as long as they were asked to."""
    return request.method == "WS" or request.path.startswith("/stream")


def cut(requests: Sequence[Request]) -> int | None:
    """Return how many long streams and WebSockets did not end as they should, or None if there were none."""
    long = [each for each in requests if is_long(each)]
    return sum(each.outcome is not Outcome.OK for each in long) if long else None


def serves_s(run: RunRecord) -> float | None:
    """Return the longest time from telling the balancer of a new backend to that backend's first good response.

    For a backend that never served, it is the time to the last request. None: no backend was added.
    """
    last = max((each.due for each in run.measured), default=0.0)
    times = [
        _first_good(run.measured, told.data["instance"], last) - told.t
        for told in run.events.of("lab", "told")
        if told.data["change"] == "added"
    ]
    return round(max(times), 6) if times else None


def _first_good(requests: Sequence[Request], instance: str, default: float) -> float:
    """Return when the instance gave its first good response."""
    ended = (each.ended for each in requests if each.instance == instance and _is_good(each))
    return min((each for each in ended if each is not None), default=default)


def p99_fault_s(run: RunRecord) -> float | None:
    """Return the 99th percentile (nearest rank) of the latency of requests due during any fault, seconds.

    A failed request counts as the client's full patience, so that quick errors do not look like low latency.
    """
    patience_s = run.plan.load.patience_s
    return _p99(
        patience_s if each.outcome is not Outcome.OK or each.latency is None else each.latency
        for each in _during(run.faults, run.measured)
    )


def gray_share(run: RunRecord) -> float | None:
    """Return the share of responses from the faulted replica in the second half of the faults; None without any.

    Responses are counted as clients see them: an attempt that the balancer replaced by another one is not.
    """
    answered = own = 0
    for fault in run.faults:
        begin, end = fault.window
        late = [each for each in run.measured if each.instance and (begin + end) / 2 <= each.due < end]
        answered += len(late)
        own += sum(each.instance == fault.instance for each in late)
    return round(own / answered, 4) if answered else None


def added_p99_s(run: RunRecord) -> float | None:
    """Return by how much the faults raised the 99th percentile of the latency of good responses, seconds; at least 0.

    Failed requests do not count, because they have a column of their own.
    """
    first = min((fault.window[0] for fault in run.faults), default=0.0)
    before = _p99(each.latency for each in run.measured if _is_good(each) and each.due < first)
    during = _p99(each.latency for each in _during(run.faults, run.measured) if _is_good(each))
    return None if before is None or during is None else round(max(0.0, during - before), 6)


def herd(run: RunRecord) -> float | None:
    """Return the peak share of responses from the recovered replica, as a multiple of its fair share.

    The peak is taken over bins of `HERD_BIN_S` in the first `HERD_WITHIN_S` after its return, for the last fault.
    """
    fault = run.faults[-1] if run.faults else None
    first = _first_answer(fault, run.measured) if fault and fault.healed_at is not None else None
    if fault is None or first is None:
        return None
    shares = []
    for number in range(round(HERD_WITHIN_S / HERD_BIN_S)):
        since = first + number * HERD_BIN_S
        answered = [each for each in run.measured if each.instance and since <= each.due < since + HERD_BIN_S]
        if answered:
            shares.append(sum(each.instance == fault.instance for each in answered) / len(answered))
    return round(max(shares) * len(run.instances), 2) if shares and run.instances else None


def spoiled(run: RunRecord) -> str:
    """Return the reason why the run does not count for the balancer, or an empty string if it counts.

    Reasons: not completed, a fault without effect, an action that failed, a late generator, a host that delayed the
    lab, late responses before the fault.
    """
    if not run.completed:
        return "the run was not completed"
    if missing := [fault for fault in run.faults if fault.injected_at is None or fault.bit is False]:
        return f"{missing[0].kind} had no measurable effect: {missing[0].error or missing[0].evidence}"
    if problem := next((event.data["error"] for event in run.events.of("lab", "act") if event.data.get("error")), ""):
        return f"an operator action failed: {problem}"
    lag = generator_lag.check(run)
    if lag.verdict is not Verdict.PASS:
        return f"generator lag: {lag.detail}"
    return _delayed_by_host(run) or _late_before_fault(run)


def _delayed_by_host(run: RunRecord) -> str:
    """Return a text if the lab's own process woke up late by more than `DELAYED_S` in total, else an empty string."""
    stalls = (event for event in run.events.of("lab", "stall") if event.t >= run.plan.warm_up_s)
    late = [float(event.data["late_s"]) for event in stalls if "late_s" in event.data]
    return f"the host was busy: it delayed the lab by {sum(late):.2f} s" if sum(late) > DELAYED_S else ""


def _late_before_fault(run: RunRecord) -> str:
    """Return a text with the number of bad responses before any fault, or an empty string if none counts.

    Their cause may affect later responses too. If more than half were bad, the balancer itself is slow, and the run
    counts.
    """
    # A container dies before the engine reports it, so the fault counts from the time of its order.
    begin = min(
        (fault.window[0] if fault.requested_at is None else fault.requested_at for fault in run.faults),
        default=run.plan.faults_start_s,
    )
    calm = [each for each in run.measured if each.ended is not None and each.ended < begin and not is_long(each)]
    late = sum(each.is_bad(run.plan.load.slow_s) for each in calm)
    if not 0 < late <= len(calm) / 2:
        return ""
    return f"{late} of {len(calm)} requests were bad before any fault: the host was busy"


def _during(faults: Sequence[Fault], requests: Sequence[Request]) -> list[Request]:
    """Return the requests that were due during any of the faults."""
    windows = [fault.window for fault in faults]
    return [each for each in requests if any(begin <= each.due < end for begin, end in windows)]


def _is_good(request: Request) -> bool:
    return request.outcome is Outcome.OK


def _p99(latencies: Iterable[float | None]) -> float | None:
    """Return the 99th percentile (nearest rank), or None of no latency."""
    known = sorted(each for each in latencies if each is not None)
    return round(known[math.ceil(0.99 * len(known)) - 1], 6) if known else None


def _affected(fault: Fault, request: Request, slow_s: float) -> bool:
    if request.is_bad(slow_s):
        return True
    return request.instance == fault.instance


def _first_answer(fault: Fault, requests: Sequence[Request]) -> float | None:
    _, healing = fault.window
    answers = (
        each.ended
        for each in requests
        if each.due >= healing and each.ended is not None and each.outcome is Outcome.OK
        if each.instance == fault.instance
    )
    return min(answers, default=None)


def _readmit(run: RunRecord) -> float | None:
    """Return the value of the last fault: an earlier target may not be back before the next fault."""
    return readmit_s(run.faults[-1], run.measured) if run.faults else None


def _worst(times: Sequence[float | None]) -> float | None:
    return max((each for each in times if each is not None), default=None)
