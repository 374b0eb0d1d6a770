"""The moments that the verdict measures (injection, reroute, heal, readmission), and the placing of their labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ...evidence.verdict import FaultResult
from ..run_files import Run
from ..sentences import seconds


@dataclass(frozen=True, slots=True)
class Moment:
    """One vertical mark at `t` seconds."""

    t: float
    kind: str
    """`injected` `rerouted` `bound` `healed` `readmitted` `readmit-bound`: determines the style of the line."""
    label: str
    row: int = 0
    """Row of its label above the chart; 0 is next to the chart."""


def moments(run: Run) -> list[Moment]:
    """Return the marks of all faults, in order of time."""
    found = [moment for fault in run.faults for moment in _of_fault(fault)]
    return sorted(found, key=lambda moment: moment.t)


def _of_fault(fault: FaultResult) -> Iterable[Moment]:
    if fault.injected_at is not None:
        yield Moment(fault.injected_at, "injected", f"{fault.kind} injected {seconds(fault.injected_at)}")
        if fault.reroute_s:
            label = f"last request to {fault.target} +{seconds(fault.reroute_s)}"
            yield Moment(fault.injected_at + fault.reroute_s, "rerouted", label)
        if fault.bound_s is not None:
            yield Moment(fault.injected_at + fault.bound_s, "bound", f"reroute bound +{seconds(fault.bound_s)}")
    if fault.healed_at is not None:
        yield Moment(fault.healed_at, "healed", f"healed {seconds(fault.healed_at)}")
        if fault.readmit_s is not None:
            yield Moment(fault.healed_at + fault.readmit_s, "readmitted", f"readmitted +{seconds(fault.readmit_s)}")
        if fault.readmit_bound_s is not None:
            at = fault.healed_at + fault.readmit_bound_s
            yield Moment(at, "readmit-bound", f"readmission bound +{seconds(fault.readmit_bound_s)}")


def place_labels(
    found: list[Moment], left_of: Callable[[Moment], float], width_of: Callable[[str], float]
) -> list[Moment]:
    """Put each label into the lowest row in which it overlaps no other. Positions and widths are in pixels.

    The line of a mark crosses the rows below its label, so labels in those rows must end left of it.
    """
    free_until: list[float] = []
    placed = []
    for moment in reversed(found):
        left = left_of(moment)
        right = left + width_of(moment.label)
        row = next((i for i, free in enumerate(free_until) if right <= free), len(free_until))
        free_until[: row + 1] = [min(left, free) for free in [*free_until, left][: row + 1]]
        placed.append(replace(moment, row=row))
    return placed[::-1]
