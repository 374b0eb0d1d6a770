"""A plan: a scenario made concrete by a seed. The same scenario and seed give the same bytes in `plan.json`.

A plan knows nothing of the lab it will run on: targets that are not named stay a number that picks among the names
found there, and the times of all requests follow from the seed (`lab.traffic.schedule`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..actions import ACTIONS
from ..output.atomic_write import write_whole
from ..output.json_text import dumps, loads

SCHEMA = 2
"""Version of `plan.json`."""
READABLE = frozenset({1, SCHEMA})
"""What 2 added has defaults that mean what 1 meant."""


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One kind of request in the mix. `share` is a fraction of all requests."""

    method: str
    path: str
    share: float
    body_bytes: int = 0
    """Of a PUT or of a WebSocket message."""


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """Open-loop load. `rate` is requests per second."""

    rate: float
    pacing: str
    """`constant` or `poisson`."""
    keep_alive: bool
    patience_s: float
    """A request without an answer for this long after it was due is `unknown`."""
    slow_s: float
    """A good answer later than this counts as slow."""
    mix: tuple[PlannedRequest, ...]
    sessions: int = 0
    """Clients with a cookie jar each; 0: nobody keeps cookies."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One fault or act. `at_s` counts from the run's start, warm-up and steady state included."""

    at_s: float
    fault: str
    """Empty with an act."""
    target: str | None
    """A target's name; None: the one that `pick` chooses."""
    pick: float
    """In [0, 1): the target is element ⌊pick × n⌋ of the n names in sorted order. Unused with a name."""
    duration_s: float
    params: dict[str, str]
    allow_last: bool
    act: str = ""
    """Something that is no fault: `drain`, `scale`, …; empty with a fault."""
    value: float = 0.0
    """The weight, or the number of backends, or 1 for a rolling restart that drains."""
    phase: float | None = None
    """In [0, 1): wait, from `at_s`, until so much of the health-check interval has passed since the target's check."""

    @property
    def name(self) -> str:
        """The kind of fault or act."""
        return self.fault or self.act

    @property
    def needs_target(self) -> bool:
        """Whether it happens to one backend."""
        return bool(self.fault) or (self.act in ACTIONS and ACTIONS[self.act].on_backend)

    @property
    def disrupts(self) -> bool:
        """Whether it is recorded as a fault: something that may explain a bad request."""
        return bool(self.fault) or (self.act in ACTIONS and ACTIONS[self.act].disrupts)

    @property
    def ends_s(self) -> float:
        """When it should be over."""
        return self.at_s + (ACTIONS[self.act].takes_s(self.duration_s) if self.act in ACTIONS else self.duration_s)

    def choose(self, names: list[str]) -> str:
        """The target's name among those that the lab has. Raises ValueError when it has none, or not this one."""
        if self.target is None:
            if not names:
                raise ValueError("the lab has no targets")
            return sorted(names)[int(self.pick * len(names))]
        if self.target not in names:
            raise ValueError(f"no target is called {self.target!r}; there are {', '.join(sorted(names))}")
        return self.target


@dataclass(frozen=True, slots=True)
class LatencyBudget:
    """Longest latencies of good answers, seconds; None: not limited."""

    p50_s: float | None = None
    p95_s: float | None = None
    p99_s: float | None = None
    max_s: float | None = None

    def limits(self) -> Iterator[tuple[str, float, float]]:
        """The limits that are set: name, share of requests, seconds."""
        each = (
            ("p50", 0.5, self.p50_s),
            ("p95", 0.95, self.p95_s),
            ("p99", 0.99, self.p99_s),
            ("max", 1.0, self.max_s),
        )
        return ((name, share, limit) for name, share, limit in each if limit is not None)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must hold. None: not asserted."""

    reroute_within_bound: bool
    readmit_within_bound: bool
    idempotent_failures: int | None
    lost: int | None
    duplicated: int | None
    zombie: int | None
    error_budget: float | None
    """Largest fraction of requests that may fail or stay unknown."""
    slow_budget: float | None
    """Largest fraction of requests that may be slow."""
    distribution: bool = False
    """Undisturbed traffic is spread as the live policy promises."""
    sticky: bool = False
    """Sessions stay on their backend while it is up."""
    nobody_ejected: bool = False
    """The balancer takes no backend out, not even the faulted one."""
    answer_within_s: float | None = None
    """Longest wait for any answer, good or bad."""
    latency_outside: LatencyBudget | None = None
    """Of requests that no fault touches in time."""
    latency_inside: LatencyBudget | None = None
    """Of requests between a fault and the readmission of its target."""
    checkers: dict[str, Any] = field(default_factory=dict)
    """What checkers of other packages are to expect, by the checker's name, as the scenario has it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run will do. Durations in seconds."""

    scenario: str
    title: str
    description: str
    seed: int
    load: PlannedLoad
    warm_up_s: float
    """Traffic that is sent but not judged."""
    steady_s: float
    """Undisturbed traffic before the first step."""
    steps: tuple[PlannedStep, ...]
    settle_s: float
    """Traffic that follows when every target is readmitted."""
    settle_limit_s: float
    """The longest wait for readmission after the last fault is healed."""
    expect: Expectations
    schema: int = SCHEMA
    balancer: dict[str, str] = field(default_factory=dict)
    """Settings of the balancer for this run, as its environment variables."""

    @property
    def faults_start_s(self) -> float:
        """When the steady state ends and offsets of steps begin to count."""
        return self.warm_up_s + self.steady_s

    @property
    def faults_end_s(self) -> float:
        """When the last fault should have expired."""
        return max((step.ends_s for step in self.steps), default=self.faults_start_s)

    @property
    def traffic_limit_s(self) -> float:
        """Traffic ends by itself here, whatever becomes of the experiment."""
        return self.faults_end_s + self.settle_limit_s + self.settle_s

    @property
    def traffic_limit_count(self) -> int:
        """No more requests than this, whatever the pacing draws: twice the expected number."""
        return int(2 * self.load.rate * self.traffic_limit_s) + 1

    def to_json(self) -> str:
        """The text of `plan.json`: keys in declared order, no time, no host."""
        return dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read `plan.json` back. Raises ValueError when it is not one of this schema."""
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
        """Write `plan.json` into the run's folder."""
        write_whole(run_dir / "plan.json", self.to_json())


def _expectations(raw: dict[str, Any]) -> Expectations:
    """Plans of before the latency budgets have none."""
    budgets = {name: LatencyBudget(**raw[name]) for name in ("latency_outside", "latency_inside") if raw.get(name)}
    return Expectations(**{**raw, **budgets})
