"""What the bench measured, and what that comes to. CPU in microseconds a request, latency in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from .closed_loop import Loaded, Shape
from .idle import Idle

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender under one load in one round."""

    contender: str
    shape: Shape
    round: int
    cpu_s: float
    loaded: Loaded

    @property
    def cpu_us(self) -> float:
        """CPU time a request, in all its processes."""
        return self.cpu_s / self.loaded.requests * 1e6


@dataclass(frozen=True, slots=True)
class Row:
    """One contender under one load: medians over the rounds."""

    contender: str
    shape: Shape
    rounds: int
    cpu_us: float
    cpu_us_min: float
    cpu_us_max: float
    ratio: float | None
    """CPU a request, relative to the baseline; the median of the ratios inside each round, which noise that lasts
    longer than a round cannot move. None without a baseline."""
    requests_per_s: float
    p50_s: float
    p99_s: float
    errors: int
    """Over all rounds."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender as the report names it."""

    name: str
    version: str | None
    problem: str | None = None
    """Why it did not run, or how it ended."""


@dataclass(slots=True)
class Report:
    """Everything that is written down."""

    started: str
    command: str
    machine: dict[str, str]
    generator: str
    backends: str
    baseline: str
    seconds: int
    rounds: int
    entrants: list[Entrant] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    idle: dict[str, Idle] = field(default_factory=dict)

    @property
    def shapes(self) -> list[Shape]:
        """The loads, in the order in which they were first run."""
        return list(dict.fromkeys(sample.shape for sample in self.samples))

    def rows(self, shape: Shape) -> list[Row]:
        """One row a contender that was measured, the cheapest first."""
        under = [sample for sample in self.samples if sample.shape == shape]
        base = {sample.round: sample.cpu_us for sample in under if sample.contender == self.baseline}
        names = dict.fromkeys(sample.contender for sample in under)
        rows = [_row([sample for sample in under if sample.contender == name], base) for name in names]
        return sorted(rows, key=lambda row: row.cpu_us)

    def as_json(self) -> dict[str, Any]:
        """`bench.json`: the results, and every sample that they come from."""
        told = asdict(self)
        results = [asdict(row) for shape in self.shapes for row in self.rows(shape)]
        return {"schema": SCHEMA, "bench": "proxy", **told, "results": results}


def usable(samples: Iterable[Sample]) -> list[Sample]:
    """Those in which anything was answered: the others have no cost a request."""
    return [sample for sample in samples if sample.loaded.requests > 0]


def _row(samples: Sequence[Sample], base: dict[int, float]) -> Row:
    costs = [sample.cpu_us for sample in samples]
    ratios = [sample.cpu_us / base[sample.round] for sample in samples if sample.round in base]
    return Row(
        contender=samples[0].contender,
        shape=samples[0].shape,
        rounds=len(samples),
        cpu_us=median(costs),
        cpu_us_min=min(costs),
        cpu_us_max=max(costs),
        ratio=median(ratios) if ratios else None,
        requests_per_s=median(sample.loaded.requests / sample.loaded.seconds for sample in samples),
        p50_s=median(sample.loaded.p50_s for sample in samples),
        p99_s=median(sample.loaded.p99_s for sample in samples),
        errors=sum(sample.loaded.errors for sample in samples),
    )
