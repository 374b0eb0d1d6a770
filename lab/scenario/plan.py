"""A plan: a scenario with all random choices made by a seed. The same scenario and seed give the same `plan.json`.

A plan does not depend on the lab it will run on. A target that is not named is a number that later selects one of the
lab's targets. The times of all requests follow from the seed (`lab.traffic.schedule`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..output.atomic_write import write_atomically
from ..output.json_text import dumps, loads

SCHEMA = 2
"""Version of `plan.json`."""
READABLE = frozenset({1, SCHEMA})
"""Versions that can be read. The fields that version 2 added have defaults with the meaning of version 1."""
ROLLING_EACH_S = 3.0
"""Estimated time to restart one backend beyond the step's duration: drain, health checks, readmission."""
BALANCER_ACTS = frozenset({"kill_balancer", "restart_balancer"})


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One kind of request in the mix. `share` is a fraction of all requests."""

    method: str
    path: str
    share: float
    body_bytes: int = 0
    """Bytes of the body of a PUT or of a WebSocket message."""


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """Open-loop load. `rate` is requests per second."""

    rate: float
    pacing: str
    """`constant` or `poisson`."""
    keep_alive: bool
    patience_s: float
    """A request that has no answer this long after its due time is `unknown`."""
    slow_s: float
    """A good answer with a higher latency than this is slow."""
    mix: tuple[PlannedRequest, ...]
    sessions: int = 0
    """Number of clients that each keep their cookies; 0 if no client does."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One fault or operator action."""

    at_s: float
    """Seconds since the run's start, warm-up and steady state included."""
    fault: str
    """Kind of fault; empty for an operator action."""
    target: str | None
    """Name of the target; if None, `pick` selects it."""
    pick: float
    """In [0, 1): selects element ⌊pick × n⌋ of the n target names in sorted order. Unused if the target is named."""
    duration_s: float
    params: dict[str, str]
    allow_last: bool
    act: str = ""
    """Kind of operator action: `drain`, `scale`, …; empty for a fault."""
    value: float = 0.0
    """The weight, the number of backends, or 1 for a rolling restart with drains."""
    phase: float | None = None
    """In [0, 1): wait, from `at_s`, until this part of the interval since the target's last health check has passed."""

    @property
    def name(self) -> str:
        """Kind of the fault or operator action."""
        return self.fault or self.act

    @property
    def needs_target(self) -> bool:
        """Whether the step concerns a single backend."""
        return bool(self.fault) or self.act in {"drain", "maint", "weight"}

    @property
    def disrupts(self) -> bool:
        """Whether the step is recorded as a fault, which may explain bad requests."""
        return bool(self.fault) or self.act in BALANCER_ACTS or self.act == "rolling_restart"

    @property
    def ends_s(self) -> float:
        """Estimated end, seconds since the run's start. A rolling restart is estimated for three backends."""
        if self.act == "rolling_restart":
            return self.at_s + 3 * (self.duration_s + ROLLING_EACH_S)
        return self.at_s + self.duration_s

    def choose(self, names: list[str]) -> str:
        """Return the step's target out of the names of the lab's targets. Raise ValueError if there is none."""
        if self.target is None:
            if not names:
                raise ValueError("the lab has no targets")
            return sorted(names)[int(self.pick * len(names))]
        if self.target not in names:
            raise ValueError(f"no target is called {self.target!r}; there are {', '.join(sorted(names))}")
        return self.target


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """Upper limits on latencies of good answers, seconds; None where there is no limit."""

    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None

    def limits(self) -> Iterator[tuple[str, float, float]]:
        """Yield name, share of requests and seconds of each limit that is set."""
        each = (
            ("p50", 0.5, self.p50_s),
            ("p95", 0.95, self.p95_s),
            ("p99", 0.99, self.p99_s),
            ("max", 1.0, self.max_s),
        )
        return ((name, share, limit) for name, share, limit in each if limit is not None)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must hold; None or False where nothing is asserted. `lab.scenario.schema.Expect` has the file's form."""

    reroute_within_bound: bool
    readmit_within_bound: bool
    idempotent_failures: int | None
    lost: int | None
    duplicated: int | None
    zombie: int | None
    error_budget: float | None
    """Largest fraction of requests that may fail or be unknown."""
    slow_budget: float | None
    """Largest fraction of requests that may be slow."""
    distribution: bool = False
    """Traffic before the first fault is distributed as the live policy promises."""
    sticky: bool = False
    """Sessions stay on their backend while it is up."""
    nobody_ejected: bool = False
    """The balancer takes no backend out, not even the faulted one."""
    answer_within_s: float | None = None
    """Longest allowed wait for any answer, good or bad."""
    latency_outside: LatencyBudget | None = None
    """For requests that do not overlap in time with a fault."""
    latency_inside: LatencyBudget | None = None
    """For requests from the beginning of a fault until its target is readmitted."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run will do. Durations are in seconds."""

    scenario: str
    title: str
    description: str
    seed: int
    load: PlannedLoad
    warm_up_s: float
    """Traffic that is sent but not judged."""
    steady_s: float
    """Traffic before the first step."""
    steps: tuple[PlannedStep, ...]
    settle_s: float
    """Traffic after all targets have been readmitted."""
    settle_limit_s: float
    """Longest wait for readmission after the last fault is healed."""
    expect: Expectations
    schema: int = SCHEMA
    balancer: dict[str, str] = field(default_factory=dict)
    """Environment variables of the balancer that change its settings for this run."""

    @property
    def faults_start_s(self) -> float:
        """When the steady state ends; offsets of steps count from here."""
        return self.warm_up_s + self.steady_s

    @property
    def faults_end_s(self) -> float:
        """When the last step should have ended."""
        return max((step.ends_s for step in self.steps), default=self.faults_start_s)

    @property
    def traffic_limit_s(self) -> float:
        """When the generator stops by itself, even if the experiment hangs."""
        return self.faults_end_s + self.settle_limit_s + self.settle_s

    @property
    def traffic_limit_count(self) -> int:
        """Largest number of requests: twice the expected one, because random pacing may exceed that."""
        return int(2 * self.load.rate * self.traffic_limit_s) + 1

    def to_json(self) -> str:
        """Return the text of `plan.json`, which depends on neither time nor host."""
        return dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that the text of a `plan.json` holds. Raise ValueError if it is not of a readable schema."""
        raw: dict[str, Any] = loads(text)
        if not isinstance(raw, dict) or raw.get("schema") not in READABLE:
            raise ValueError(f"plan.json is not of schema {SCHEMA}")
        try:
            load = raw["load"]
            mix = tuple(PlannedRequest(**each) for each in load["mix"])
            steps = tuple(PlannedStep(**each) for each in raw["steps"])
            fields = {"load": PlannedLoad(**{**load, "mix": mix}), "steps": steps}
            return cls(**{**raw, **fields, "expect": _expectations(raw["expect"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"plan.json is malformed: {error}") from error

    def write(self, run_dir: Path) -> None:
        """Write `plan.json` into the run's folder. Raise OSError (disk full)."""
        write_atomically(run_dir / "plan.json", self.to_json())


def _expectations(raw: dict[str, Any]) -> Expectations:
    """Return the expectations; older plans have no latency budgets."""
    budgets = {name: LatencyBudget(**raw[name]) for name in ("latency_outside", "latency_inside") if raw.get(name)}
    return Expectations(**{**raw, **budgets})
