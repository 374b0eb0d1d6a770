"""What the host did to a run (`lab.evidence.host_monitor`): when it stalled or had no CPU to spare, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..evidence.events import Event, Events

WHAT_TO_DO: Final = "stop other work on this machine or lower the scenario's rate, and run it again"


@dataclass(frozen=True, slots=True)
class HostStalls:
    """The stalls of one run. Times are seconds since its start."""

    spans: tuple[tuple[float, float], ...]
    """From and until, in order, none touching another."""
    late_s: float
    """The longest that something which only sleeps woke up late; 0 where that was not what was seen."""
    pressure: float
    """The largest share of a tenth of a second in which something waited for a CPU."""

    @property
    def total_s(self) -> float:
        """Seconds in which the host was busy."""
        return sum(until - since for since, until in self.spans)


def host_stalls(events: Events) -> HostStalls:
    """Return what the events tell; overlapping stalls count once."""
    stalls = events.of("lab", "stall")
    spans: list[tuple[float, float]] = []
    for since, until in sorted((_number(each.data.get("since"), each.t), each.t) for each in stalls):
        if spans and since <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], until))
        else:
            spans.append((since, until))
    return HostStalls(tuple(spans), _largest(stalls, "late_s"), _largest(stalls, "cpu_pressure"))


def busy_host(events: Events) -> str:
    """Return a sentence on a host that was busy during the run and what to do; empty where it was not."""
    stalls = host_stalls(events)
    if not stalls.spans:
        return ""
    seen = [f"it stood still for up to {stalls.late_s:.2f} s"] if stalls.late_s else []
    seen += (
        [f"for up to {stalls.pressure:.0%} of a tenth of a second programs waited for a CPU"] if stalls.pressure else []
    )
    why = f" ({'; '.join(seen)})" if seen else ""
    return (
        f"The host was busy for {stalls.total_s:.2f} s of the run{why}. Times measured then may be the host's, and "
        f"failed requests count all the same: {WHAT_TO_DO}."
    )


def _largest(stalls: list[Event], name: str) -> float:
    return max((_number(each.data.get(name), 0.0) for each in stalls), default=0.0)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise
