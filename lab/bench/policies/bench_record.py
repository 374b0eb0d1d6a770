"""The JSON documents that `python -m lb.simulate` prints, and the record of a benchmark. Times are in seconds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Backend(_Record):
    """A simulated backend: `servers` with mean service time `work_s` and squared coefficient of variation `scv`."""

    id: str
    servers: int
    weight: float
    work_s: float
    scv: float


class Change(_Record):
    """A change of condition of the backend that the scenario is about (`Scenario.focus`)."""

    at_s: float
    condition: str


class TheoryLatency(_Record):
    """Latency according to queueing theory. `relation` is one of = ≈ ≤ ≥, or ∞ (no steady state)."""

    relation: str
    formula: str
    source: str
    mean_s: float | None
    p50_s: float | None
    p99_s: float | None


class TheoryShares(_Record):
    """Shares of requests according to theory: of each backend (`each`), or only of the one at `Scenario.focus`."""

    relation: str
    formula: str
    each: tuple[float, ...]
    focus: float | None


class Theory(_Record):
    """Theoretical values of one policy in one scenario; None if there is none."""

    latency: TheoryLatency | None
    shares: TheoryShares | None


class Scenario(_Record):
    """A simulated scenario: backends, traffic and changes.

    `focus` is the index of the backend whose share of the requests is charted over time, if the scenario has one.
    """

    kind: Literal["scenario"]
    scenario: str
    title: str
    story: str
    watch: str
    rate_per_s: float
    utilisation: float
    measured: tuple[float, float]
    ends_s: float
    focus: int | None
    changes: tuple[Change, ...]
    backends: tuple[Backend, ...]
    floor: TheoryLatency | None


class Spread(_Record):
    """Mean, lowest and highest value over the seeds."""

    value: float
    low: float
    high: float


class Cell(_Record):
    """Results of one policy in one scenario."""

    kind: Literal["cell"]
    scenario: str
    policy: str
    seeds: int
    requests: int
    failed: int
    slow: int
    unfinished: int
    attempts: int
    mean_s: Spread
    p50_s: Spread
    p99_s: Spread
    worst_s: Spread
    shares: tuple[float, ...]
    series: tuple[float, ...]
    theory: Theory

    @property
    def unstable(self) -> bool:
        """Whether theory says that some backend gets more than it can serve."""
        return self.theory.latency is not None and self.theory.latency.relation == "∞"


class Disruption(_Record):
    """Shares of the keys that a hash policy gives to a different backend after one backend was removed."""

    kind: Literal["disruption"]
    policy: str
    backends: int
    moved: float
    without_need: float
    theory: float
    formula: str
    source: str


class Cost(_Record):
    """CPU time of a pick, microseconds."""

    kind: Literal["cost"]
    policy: str
    backends: int
    pick_us: float


Document = Annotated[Scenario | Cell | Disruption | Cost, Field(discriminator="kind")]
DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)


class Bench(_Record):
    """All results; the content of `bench.json`."""

    schema_: int = Field(1, alias="schema")
    kind: Literal["bench-policies"] = "bench-policies"
    made: str
    command: str
    seeds: int
    scale: float
    scenarios: tuple[Scenario, ...]
    cells: tuple[Cell, ...]
    disruption: tuple[Disruption, ...]
    cost: tuple[Cost, ...]

    def of(self, scenario: Scenario) -> list[Cell]:
        """Return the cells of one scenario, the lowest mean latency first."""
        return sorted((c for c in self.cells if c.scenario == scenario.scenario), key=lambda c: c.mean_s.value)
