"""How the host disturbed a run: when it stalled or had no spare CPU (`lab.evidence.host_monitor`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..evidence.events import Event, Events

WHAT_TO_DO: Final = "stop other work on this machine or lower the scenario's rate, and run it again"


@dataclass(frozen=True, slots=True)
class HostStalls:
    """The stalls of one run. Times are in seconds since the run's start."""

    spans: tuple[tuple[float, float], ...]
    """Start and end of each stall, in order and without overlaps."""
    late_s: float
    """Largest delay of a wake-up, seconds; 0 if none was late."""
    pressure: float
    """Largest share of any tenth of a second in which some task waited for a CPU."""

    @property
    def total_s(self) -> float:
        """Seconds in which the host was busy."""
        return sum(until - since for since, until in self.spans)


def host_stalls(events: Events) -> HostStalls:
    """Return the recorded stalls. Overlapping stalls are merged."""
    stalls = events.of("lab", "stall")
    spans: list[tuple[float, float]] = []
    for since, until in sorted((_number(each.data.get("since"), each.t), each.t) for each in stalls):
        if spans and since <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], until))
        else:
            spans.append((since, until))
    return HostStalls(tuple(spans), _largest(stalls, "late_s"), _largest(stalls, "cpu_pressure"))


def busy_host(events: Events) -> str:
    """Return a sentence with when the host was busy and what to do about it, or an empty string."""
    stalls = host_stalls(events)
    if not stalls.spans:
        return ""
    signs = [f"it stalled for up to {stalls.late_s:.2f} s"] if stalls.late_s else []
    signs += [f"tasks waited for a CPU in up to {stalls.pressure:.0%} of 0.1 s"] if stalls.pressure else []
    why = f" ({'; '.join(signs)})" if signs else ""
    return (
        f"The host was busy for {stalls.total_s:.2f} s of the run{why}. It may have caused delays in that time, but "
        f"failed requests still count: {WHAT_TO_DO}."
    )


def _largest(stalls: list[Event], name: str) -> float:
    return max((_number(each.data.get(name), 0.0) for each in stalls), default=0.0)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
