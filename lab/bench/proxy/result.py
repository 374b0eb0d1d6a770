"""Samples of the benchmark and the results computed from them. CPU in microseconds per request, latency in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from .closed_loop import LoadResult, Shape
from .idle import Idle

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender under one load in one round."""

    contender: str
    shape: Shape
    round: int
    cpu_s: float
    loaded: LoadResult

    @property
    def cpu_us(self) -> float:
        """CPU time per request of all its processes, microseconds."""
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
    """CPU per request relative to the baseline: the median of the ratios in each round, so that noise lasting longer
    than a round cancels out. None without a baseline."""
    requests_per_s: float
    p50_s: float
    p99_s: float
    errors: int
    """Failed requests of all rounds."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A contender in the report."""

    name: str
    version: str | None
    problem: str | None = None
    """Why it did not run, or how it ended."""


@dataclass(slots=True)
class Report:
    """The whole result of a benchmark."""

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
        """Return a row for each measured contender, the cheapest first."""
        under = [sample for sample in self.samples if sample.shape == shape]
        base = {sample.round: sample.cpu_us for sample in under if sample.contender == self.baseline}
        names = dict.fromkeys(sample.contender for sample in under)
        rows = [_row([sample for sample in under if sample.contender == name], base) for name in names]
        return sorted(rows, key=lambda row: row.cpu_us)

    def as_json(self) -> dict[str, Any]:
        """Return the content of `bench.json`: results and samples."""
        fields = asdict(self)
        results = [asdict(row) for shape in self.shapes for row in self.rows(shape)]
        return {"schema": SCHEMA, "bench": "proxy", **fields, "results": results}


def usable(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples with at least one good response; others have no cost per request."""
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
