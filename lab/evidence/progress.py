"""What an experiment tells whoever watches it; the live view implements `Progress`.

All calls come from the experiment's event loop, must not block, and must not raise. Times are seconds since the
run's start. The order is: `started`, then any number of the others, then `finished` unless the run is interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..scenario.plan import Plan
    from ..services.endpoints import Endpoints
    from .events import Event
    from .verdict import RunVerdict


@dataclass(frozen=True, slots=True)
class TrafficCounts:
    """What the generator has done so far, the warm-up included."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    slow: int = 0
    in_flight: int = 0
    lag_max_s: float = 0.0
    """Worst lag since the previous report."""


class Progress(Protocol):
    """A watcher. `run_id` names the run; several runs may follow one another."""

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """The lab is ready, t = 0 is about to come."""

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """A phase begins: `warm-up`, `steady`, `faults`, `settle`, `collect`, `judge`; `ends_at` is an estimate."""

    def event(self, event: Event) -> None:
        """An event was recorded: see `lab.evidence.events` for the types."""

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """About four times a second while traffic flows."""

    def finished(self, verdict: RunVerdict) -> None:
        """Judged; `verdict.json` is written."""


class NoProgress:
    """Watches nothing."""

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Ignored."""

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """Ignored."""

    def event(self, event: Event) -> None:
        """Ignored."""

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """Ignored."""

    def finished(self, verdict: RunVerdict) -> None:
        """Ignored."""
