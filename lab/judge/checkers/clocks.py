"""Did all clocks keep step? Times from two processes can only be compared while their offset stays the same.

Every time of a run is monotonic: somebody who sets the host's clock moves none of them. It is no run to judge all the
same: deadlines between balancer and backends are wall time, and so is the end of a fault that the reaper heals.
"""

from __future__ import annotations

from collections import defaultdict

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "clocks"
_SHOWN = 3
TOLERANCE_S = 0.005
"""Far below any bound, far above the drift of two monotonic clocks within minutes (NTP slews at most 0.5 ms/s)."""


def check(run: RunRecord) -> Check:
    """Unknown when a service's offset moved between the run's start and end, or was never measured, and when the host's
    clock was set."""
    offsets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in run.events.of("lab", "clock"):
        offsets[event.data["of"]].append((event.data["offset_s"], event.data["error_s"]))
    if not offsets:
        return Check(NAME, Verdict.UNKNOWN, "no foreign clock was measured")
    stepped = [name for name, readings in offsets.items() if _moved(readings)]
    if stepped:
        return Check(NAME, Verdict.UNKNOWN, f"the clock of {', '.join(stepped)} stepped during the run")
    if steps := run.events.of("lab", "wall_step"):
        told = ", ".join(f"by {event.data['by_s']:+.3f} s at {event.t:.3f} s" for event in steps[:_SHOWN])
        return Check(NAME, Verdict.UNKNOWN, f"the host's clock was set during the run: {told}")
    return Check(NAME, Verdict.PASS, f"known to within ± {run.clock_error_s * 1000:.2f} ms")


def _moved(readings: list[tuple[float, float]]) -> bool:
    (first, first_error), (last, last_error) = readings[0], readings[-1]
    return abs(last - first) > first_error + last_error + TOLERANCE_S
