"""Compares the runs of a gate with its baseline: which measures are significantly worse."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from ..compare.differences import LEVEL, MEASURES, Measure
from ..compare.document import Result
from ..evidence.verdict import Verdict, worst
from .rank_sum import Shift, holm, p_larger, shift, smallest_p

ALPHA: Final = 1 - LEVEL
"""Probability that a gate fails although nothing has changed: at most this, over all its comparisons together."""
BUSY_S: Final = 0.5
"""A run does not count if the host was busy for longer: at 200 requests/s, 100 requests may be late because of it."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A shift that is no reason to fail, even if it is significant. The larger of the two applies."""

    at_least: float
    """In the unit of the measure."""
    share: float = 0.0
    """Fraction of the requests of a run."""


TOLERANCES: Final[Mapping[str, Tolerance]] = {
    "failed": Tolerance(2, 0.002),
    "slow": Tolerance(2, 0.01),
    "reroute_s": Tolerance(0.05),
    "readmit_s": Tolerance(0.05),
    "p99_fault_s": Tolerance(0.1),
}
"""One for each of `lab.compare.differences.MEASURES`. A busier host makes a few requests slow and delays each time by
some milliseconds; the interval of health checks, which is what a changed file changes, is at least ten times longer."""

Runs = Mapping[str, Sequence[float]]
"""Measure → one value for each run that counts, and the `requests` of each; infinite if the event never happened."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure of one entry in one scenario. `p` is corrected for all comparisons of the gate."""

    entry: str
    scenario: str
    measure: Measure
    before: tuple[float, ...]
    after: tuple[float, ...]
    shift: Shift
    p: float
    tolerance: float

    @property
    def worse(self) -> bool:
        """Whether the measure is significantly larger, by more than its tolerance."""
        return self.p <= ALPHA and self.shift.median > self.tolerance

    def as_document(self) -> dict[str, Any]:
        """Return the fields for JSON. Infinity becomes null there."""
        return {
            "entry": self.entry,
            "scenario": self.scenario,
            "measure": self.measure.name,
            "before": self.before,
            "after": self.after,
            "shift": round(self.shift.median, 6),
            "low": None if self.shift.low is None else round(self.shift.low, 6),
            "high": None if self.shift.high is None else round(self.shift.high, 6),
            "p": round(self.p, 6),
            "tolerance": self.tolerance,
            "worse": self.worse,
        }


@dataclass(frozen=True, slots=True)
class TooFew:
    """An entry in a scenario that cannot be judged, because too few runs count."""

    entry: str
    scenario: str
    counted: int
    needed: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The result of a gate."""

    comparisons: tuple[Compared, ...]
    too_few: tuple[TooFew, ...]
    tests: int
    """Number of comparisons of the gate, with those that could not be made."""

    @property
    def verdict(self) -> Verdict:
        """`fail` if anything is worse, `unknown` if something could not be judged, otherwise `pass`."""
        found = [Verdict.FAIL if each.worse else Verdict.PASS for each in self.comparisons]
        return worst([*found, *(Verdict.UNKNOWN for _ in self.too_few)])

    def as_document(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {
            "verdict": self.verdict,
            "tests": self.tests,
            "comparisons": [each.as_document() for each in self.comparisons],
            "too_few": [asdict(each) for each in self.too_few],
        }


def decide(before: Mapping[tuple[str, str], Runs], after: Mapping[tuple[str, str], Runs]) -> Decision:
    """Return the decision on the runs of each (entry, scenario). Both mappings have the same keys."""
    tests = len(before) * len(MEASURES)
    counted = {key: (len(before[key]["requests"]), len(after[key]["requests"])) for key in before}
    needed = {key: runs_needed(tests, stored) for key, (stored, _) in counted.items()}
    enough = [key for key, (_, runs) in counted.items() if 0 < needed[key] <= runs]
    cells = [(key, measure) for key in enough for measure in MEASURES]
    corrected = holm([p_larger(before[key][each.name], after[key][each.name]) for key, each in cells], tests)
    return Decision(
        tuple(
            _compared(key, each, before[key], after[key], p) for (key, each), p in zip(cells, corrected, strict=True)
        ),
        tuple(TooFew(*key, counted[key][1], needed[key]) for key in counted if key not in enough),
        tests,
    )


def runs_needed(tests: int, stored: int | None = None) -> int:
    """Return from how many runs on a difference can be significant in one of `tests` comparisons.

    `stored` is the number of runs of the baseline; None: as many as of the gate. 0: no number of runs is enough.
    """
    for runs in range(1, 1000):
        if smallest_p(runs if stored is None else stored, runs) * tests <= ALPHA:
            return runs
    return 0


def counts(result: Result, count_busy: bool) -> bool:
    """Return whether a gate uses the measures of a run. `count_busy`: even if the host was busy."""
    return result.counts and (count_busy or result.host_busy_s <= BUSY_S)


def runs_of(results: Iterable[Result]) -> dict[str, list[float]]:
    """Return the measures of results that count."""
    found = [each.measures for each in results if each.measures]
    names = ("requests", *(each.name for each in MEASURES))
    values = {name: [getattr(each, name) for each in found] for name in names}
    return {name: [math.inf if each is None else float(each) for each in row] for name, row in values.items()}


def _compared(key: tuple[str, str], measure: Measure, before: Runs, after: Runs, p: float) -> Compared:
    allowed, requests = TOLERANCES[measure.name], statistics.median(before["requests"])
    old, new = before[measure.name], after[measure.name]
    tolerance = round(max(allowed.at_least, allowed.share * requests), 3)
    return Compared(*key, measure, tuple(old), tuple(new), shift(old, new, LEVEL), p, tolerance)
