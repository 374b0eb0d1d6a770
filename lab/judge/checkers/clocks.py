"""Did the offsets between all clocks stay the same? Otherwise times of two processes cannot be compared.

All recorded times are monotonic, so setting the host's clock does not change them. The run is still unknown, because
deadlines between balancer and backends are wall time, and so is the end of a fault that the reaper heals.
"""

from __future__ import annotations

from collections import defaultdict

from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict

NAME = "clocks"
FAILS_WHEN = "never"
UNKNOWN_WHEN = "a service's clock stepped against the lab's, or the host's was set during the run"
_SHOWN = 3
TOLERANCE_S = 0.005
"""Seconds: far below any bound, far above the drift of two monotonic clocks in minutes (NTP slews by 0.5 ms/s at
most)."""


def check(run: RunRecord) -> Check:
    """Compare the offsets measured at the run's start and end, and look for steps of the host's wall clock."""
    offsets: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for event in run.events.of("lab", "clock"):
        offsets[event.data["of"]].append((event.data["offset_s"], event.data["error_s"]))
    if not offsets:
        return Check(NAME, Verdict.UNKNOWN, "no clock of another process was measured")
    stepped = [name for name, readings in offsets.items() if _moved(readings)]
    if stepped:
        return Check(NAME, Verdict.UNKNOWN, f"the clock of {', '.join(stepped)} stepped during the run")
    if steps := run.events.of("lab", "wall_step"):
        examples = ", ".join(f"by {event.data['by_s']:+.3f} s at {event.t:.3f} s" for event in steps[:_SHOWN])
        return Check(NAME, Verdict.UNKNOWN, f"the host's clock was set during the run: {examples}")
    return Check(NAME, Verdict.PASS, f"known to within ± {run.clock_error_s * 1000:.2f} ms")


def _moved(readings: list[tuple[float, float]]) -> bool:
    (first, first_error), (last, last_error) = readings[0], readings[-1]
    return abs(last - first) > first_error + last_error + TOLERANCE_S
