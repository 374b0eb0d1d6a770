"""Did the balancer take a backend out that nothing was wrong with?

A backend may go out while a fault is on it, or just after, until it is back. Any other time is an ejection without a
reason: flapping, or a check that counts something as sick that is not. `expect.ejected: none` forbids even those that a
fault explains: for faults that a good balancer sits out.
"""

from __future__ import annotations

from ...evidence.events import Event
from ...evidence.failover_times import troubled_until
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "ejections"
OUT = frozenset({"down", "ejected"})
"""What the balancer decides by itself; drain and maint are somebody's order, unknown is how everything begins."""
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Unknown where a witness saw the host without CPU at each unfounded one: then probes are late, too."""
    if not run.events.of("lb"):
        return Check.not_asserted(NAME, "this balancer does not tell its backends' states")
    moves = [event for event in run.events.of("lb", "transition") if _was_taken_out(event)]
    allowed = not run.plan.expect.nobody_ejected
    unfounded = [
        event for event in moves if not (allowed and any(_explains(fault, event, run) for fault in run.faults))
    ]
    if not unfounded:
        return Check(NAME, Verdict.PASS, f"{len(moves)} times a backend was taken out, each for a fault")
    examples = "; ".join(map(_describe, unfounded[:_SHOWN]))
    text = f"{len(unfounded)} times a backend was taken out without need: {examples}"
    excused = all(_host_was_busy(event, run) for event in unfounded)
    return Check(NAME, Verdict.UNKNOWN if excused else Verdict.FAIL, text)


def _was_taken_out(event: Event) -> bool:
    """A new backend that is still starting fails its first checks: it was never in."""
    new, old = (str(event.data.get(name, "")).lower() for name in ("new", "old"))
    return new in OUT and old != "unknown"


def _explains(fault: Fault, event: Event, run: RunRecord) -> bool:
    if event.data.get("backend") not in {*fault.backends, *fault.backends_after}:
        return False
    begin = fault.window[0] if fault.requested_at is None else fault.requested_at
    margin_s = run.clock_error_s
    return begin - margin_s <= event.t <= troubled_until(fault, run) + margin_s


def _host_was_busy(event: Event, run: RunRecord) -> bool:
    """During the probe that decided: it ended with the event and had begun at most its time-out before."""
    begun = event.t - run.probe_timeout_s
    return any(since < event.t and begun < until for since, until in run.stalls)


def _describe(event: Event) -> str:
    return f"{event.data.get('backend')} {event.data.get('new')} at {event.t:.3f} s ({event.data.get('reason', '')})"
