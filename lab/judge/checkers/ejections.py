"""Did the balancer take out a healthy backend?

A backend may be taken out from the beginning of a fault on it until it is readmitted. At any other time an ejection is
unfounded: the balancer flaps, or misjudges health. `expect.ejected: none` also forbids ejections that a fault explains,
for faults so short or mild that a good balancer keeps the backend.
"""

from __future__ import annotations

from ...evidence.events import Event
from ...evidence.failover_times import troubled_until
from ...evidence.record import Fault, RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "ejections"
FAILS_WHEN = (
    "a backend was taken out (*down* or *ejected*) with no fault on it, or,"
    " if the scenario says `ejected: none`, at all"
)
UNKNOWN_WHEN = "the host was busy each time"
OUT = frozenset({"down", "ejected"})
"""States that the balancer decides by itself; operators order `drain` and `maint`."""
_SHOWN = 3


def check(run: RunRecord) -> Check:
    """Look for ejections that no fault explains. While the host was busy they do not count: probes are late then."""
    if not run.events.of("lb"):
        return Check.not_asserted(NAME, "this balancer does not report its backends' states")
    moves = [event for event in run.events.of("lb", "transition") if _was_taken_out(event)]
    allowed = run.expect.ejected is None
    unfounded = [
        event for event in moves if not (allowed and any(_explains(fault, event, run) for fault in run.faults))
    ]
    if not unfounded:
        count = {0: "no backend was taken out", 1: "1 backend was taken out, because of a fault"}
        text = count.get(len(moves), f"{len(moves)} times a backend was taken out, each because of a fault")
        return Check(NAME, Verdict.PASS, text)
    examples = "; ".join(map(_describe, unfounded[:_SHOWN]))
    text = f"{len(unfounded)} ejections without a reason: {examples}"
    excused = all(_host_was_busy(event, run) for event in unfounded)
    return Check(NAME, Verdict.UNKNOWN if excused else Verdict.FAIL, text)


def _was_taken_out(event: Event) -> bool:
    """Return whether the event takes out a backend that was in use. A new backend may fail its first health checks."""
    new, old = (str(event.data.get(name, "")).lower() for name in ("new", "old"))
    return new in OUT and old != "unknown"


def _explains(fault: Fault, event: Event, run: RunRecord) -> bool:
    if event.data.get("backend") not in {*fault.backends, *fault.backends_after}:
        return False
    margin_s = run.clock_error_s
    return fault.begun_at - margin_s <= event.t <= troubled_until(fault, run) + margin_s


def _host_was_busy(event: Event, run: RunRecord) -> bool:
    """Return whether the host was busy during the probe that caused the event.

    The probe began before the event by at most the probe's time-out.
    """
    return run.host_was_busy(event.t - run.probe_timeout_s, event.t)


def _describe(event: Event) -> str:
    return f"{event.data.get('backend')} {event.data.get('new')} at {event.t:.3f} s ({event.data.get('reason', '')})"
