"""The interface through which an experiment reports its progress; `lab.report.live` implements it.

All calls come from the experiment's event loop and must neither block nor raise. Times are seconds since the run's
start. The first call is `started`; the last one is `finished`, unless the run is interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..scenario.plan import Plan
    from ..services.endpoints import Endpoints
    from .events import Event
    from .verdict import RunVerdict


@dataclass(frozen=True, slots=True)
class TrafficCounts:
    """Requests of the generator so far, including the warm-up."""

    sent: int = 0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    slow: int = 0
    in_flight: int = 0
    lag_max_s: float = 0.0
    """Largest delay of a send after its due time since the previous report, seconds."""


class Progress:
    """Receives the progress of one run after another. This base class ignores all calls."""

    def started(self, run_id: str, plan: Plan, endpoints: Endpoints) -> None:
        """Report that the lab is ready and t = 0 follows at once."""

    def phase(self, t: float, name: str, ends_at: float | None) -> None:
        """Report that `warm-up`, `steady`, `faults`, `settle`, `collect` or `judge` begins; `ends_at` is estimated."""

    def event(self, event: Event) -> None:
        """Report a recorded event. `lab.evidence.events` lists the types."""

    def traffic(self, t: float, counts: TrafficCounts) -> None:
        """Report the generator's counts, about four times a second while traffic flows."""

    def finished(self, verdict: RunVerdict) -> None:
        """Report that the run has been judged and `verdict.json` is written."""
