"""Phase sweep: run the same plan with its faults at k phases of the interval between two health checks.

The phase has the largest influence on the time to reroute: a fault right after a check is detected a whole interval
later than one right before it. A single run measures one phase; the sweep shows all of them together with the bound,
which must hold for every phase.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import BadArgumentsError
from ..evidence.record import RunRecord
from ..evidence.verdict import RunVerdict, Verdict, worst
from ..output.json_text import dumps
from ..scenario.plan import Plan


@dataclass(frozen=True, slots=True)
class Point:
    """One fault of one run."""

    run_id: str
    wanted: float
    """Planned phase, in [0, 1)."""
    phase: float | None
    """Phase at which the fault took effect, from the balancer's events; None if there are no events of checks."""
    kind: str
    reroute_s: float | None
    bound_s: float | None
    verdict: Verdict
    traffic_bound_s: float | None = None
    """The tighter bound that holds while traffic flows, as in a sweep. It is shown, not asserted."""

    @property
    def within(self) -> bool | None:
        """Whether the bound was kept; None without a measurement or a bound."""
        if self.reroute_s is None or self.bound_s is None:
            return None
        return self.reroute_s <= self.bound_s


@dataclass(frozen=True, slots=True)
class Sweep:
    """All points of one scenario."""

    scenario: str
    runtime: str
    seed: int
    interval_s: float
    points: tuple[Point, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the runs."""
        return worst(point.verdict for point in self.points)

    def to_json(self) -> str:
        """Return the text of `sweep.json`. Times are in seconds."""
        return dumps({"schema": 1, "verdict": self.verdict, **asdict(self)}, indent=2) + "\n"


def plans(plan: Plan, count: int) -> list[Plan]:
    """Return the plan once for each of `count` phases. Raise BadArgumentsError if the plan has no fault."""
    if not any(step.fault for step in plan.steps):
        raise BadArgumentsError(f"{plan.scenario} has no fault whose phase could be swept")
    return [
        replace(plan, steps=tuple(replace(step, phase=k / count) if step.fault else step for step in plan.steps))
        for k in range(count)
    ]


def points(plan: Plan, run: RunRecord, verdict: RunVerdict, interval_s: float) -> list[Point]:
    """Return a point for each fault of a judged run of one of these plans."""
    wanted = next(step.phase or 0.0 for step in plan.steps if step.fault)
    return [
        Point(
            run_id=verdict.run_id,
            wanted=wanted,
            phase=_phase(run, fault.backends, fault.injected_at, interval_s),
            kind=fault.kind,
            reroute_s=fault.reroute_s,
            bound_s=fault.bound_s,
            verdict=verdict.verdict,
            traffic_bound_s=fault.reroute_traffic_bound_s,
        )
        for fault in verdict.faults
    ]


def _phase(run: RunRecord, backends: tuple[str, ...], at: float | None, interval_s: float) -> float | None:
    """Return the time since the target's last check ended, as a fraction of the interval.

    It can exceed 1 because of jitter and the duration of a check. Then the next check had already begun.
    """
    ends = [event.t for event in run.events.of("lb", "probed") if event.data.get("backend") in backends]
    before = [t for t in ends if at is not None and t <= at]
    if at is None or not before:
        return None
    return round((at - max(before)) / interval_s, 4)


def write(sweep: Sweep, folder: Path, page: str) -> tuple[Path, Path]:
    """Write `sweep.json` and `sweep.html`, and return their paths. Raise OSError."""
    json_file, html_file = folder / "sweep.json", folder / "sweep.html"
    json_file.write_text(sweep.to_json(), encoding="utf-8")
    html_file.write_text(page, encoding="utf-8")
    return json_file, html_file
