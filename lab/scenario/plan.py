"""A plan: a scenario with all random choices made by a seed. The same scenario and seed give the same `plan.json`.

A plan does not depend on the lab on which it will run. If a target is not named, the plan has a number that later
selects one of the lab's targets. The times of all requests follow from the seed (`lab.traffic.schedule`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..actions import ACTIONS
from ..output.atomic_write import write_atomically
from ..output.json_text import dumps, loads

SCHEMA = 3
"""Version of `plan.json`."""
READABLE = frozenset({1, 2, SCHEMA})
"""Versions that can be read. The fields that version 2 added have defaults with the meaning of version 1. Version 3
stores the `expect` section as the scenario has it."""


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
    """How the due times of requests are spaced: see `lab.traffic.pacer`."""
    keep_alive: bool
    patience_s: float
    """A request without a response this many seconds after its due time is `unknown`."""
    slow_s: float
    """A good response with a latency above this many seconds is slow."""
    mix: tuple[PlannedRequest, ...]
    sessions: int = 0
    """Number of clients that keep their cookies; 0: no client keeps any."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One fault or operator action."""

    at_s: float
    """Seconds since the run's start, including warm-up and steady state."""
    fault: str
    """Kind of fault; empty for an operator action."""
    target: str | None
    """Name of the target; if None, `pick` selects it."""
    pick: float
    """Number in [0, 1) that selects element ⌊pick × n⌋ of the n target names in sorted order. Not used if the target is
    named."""
    duration_s: float
    params: dict[str, str]
    allow_last: bool
    act: str = ""
    """Kind of operator action: `drain`, `scale`, …; empty for a fault."""
    value: float = 0.0
    """The weight, the number of backends, or 1 for a rolling restart with drains."""
    phase: float | None = None
    """Fraction in [0, 1) of the health-check interval. At `at_s` the step begins to wait for the moment at which this
    fraction of an interval has passed since the target's last check."""

    @property
    def name(self) -> str:
        """Kind of the fault or operator action."""
        return self.fault or self.act

    @property
    def needs_target(self) -> bool:
        """Whether it applies to one backend."""
        return bool(self.fault) or (self.act in ACTIONS and ACTIONS[self.act].on_backend)

    @property
    def disrupts(self) -> bool:
        """Whether it is recorded as a fault, which may explain a bad request."""
        return bool(self.fault) or (self.act in ACTIONS and ACTIONS[self.act].disrupts)

    @property
    def ends_s(self) -> float:
        """Planned end of the step, in seconds since the run's start."""
        return self.at_s + (ACTIONS[self.act].takes_s(self.duration_s) if self.act in ACTIONS else self.duration_s)

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
class Plan:
    """Everything that a run will do. Durations are in seconds."""

    scenario: str
    title: str
    description: str
    seed: int
    load: PlannedLoad
    warm_up_s: float
    """Duration of the traffic that is sent but not judged."""
    steady_s: float
    """Duration of the traffic before the first step."""
    steps: tuple[PlannedStep, ...]
    settle_s: float
    """Duration of the traffic after all targets have been readmitted."""
    settle_limit_s: float
    """Longest wait for readmission after the last fault is healed."""
    expect: dict[str, Any]
    """The `expect` section of the scenario, with units (`lab.scenario.expectations.Expect`)."""
    schema: int = SCHEMA
    balancer: dict[str, str] = field(default_factory=dict)
    """Environment variables of the balancer that change its settings for this run."""

    @property
    def faults_start_s(self) -> float:
        """End of the steady state, in seconds since the run's start. Offsets of steps count from here."""
        return self.warm_up_s + self.steady_s

    @property
    def faults_end_s(self) -> float:
        """Planned end of the last step, in seconds since the run's start."""
        return max((step.ends_s for step in self.steps), default=self.faults_start_s)

    @property
    def traffic_limit_s(self) -> float:
        """Time at which the generator stops by itself, even if the experiment hangs."""
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
        """Return the plan in the text of a `plan.json`. Raise ValueError if its schema cannot be read."""
        raw: dict[str, Any] = loads(text)
        if not isinstance(raw, dict) or raw.get("schema") not in READABLE:
            raise ValueError(f"plan.json is not of schema {SCHEMA}")
        try:
            load = raw["load"]
            mix = tuple(PlannedRequest(**each) for each in load["mix"])
            steps = tuple(PlannedStep(**each) for each in raw["steps"])
            expect = raw["expect"] if raw["schema"] == SCHEMA else _expect_of_schema_2(raw["expect"])
            fields = {"load": PlannedLoad(**{**load, "mix": mix}), "steps": steps, "expect": expect}
            return cls(**{**raw, **fields, "schema": SCHEMA})
        except (KeyError, TypeError) as error:
            raise ValueError(f"plan.json is malformed: {error}") from error

    def write(self, run_dir: Path) -> None:
        """Write `plan.json` into the run's folder. Raise OSError (disk full)."""
        write_atomically(run_dir / "plan.json", self.to_json())


def _expect_of_schema_2(raw: dict[str, Any]) -> dict[str, Any]:
    """Convert the expectations of an older plan, which are numbers without units, to the `expect` section."""

    def with_unit(value: float | None, unit: str) -> str | None:
        return None if value is None else f"{value:.9f}{unit}"

    def limits(budget: dict[str, float | None] | None) -> dict[str, str | None]:
        return {name.removesuffix("_s"): with_unit(limit, "s") for name, limit in (budget or {}).items()}

    outside, inside = raw.get("latency_outside"), raw.get("latency_inside")
    shares = {name: raw[name] for name in ("error_budget", "slow_budget")}
    return {
        "reroute": "within_bound" if raw["reroute_within_bound"] else None,
        "readmit": "within_bound" if raw["readmit_within_bound"] else None,
        **{name: raw[name] for name in ("idempotent_failures", "lost", "duplicated", "zombie")},
        **{name: with_unit(share and share * 100, "%") for name, share in shares.items()},
        "distribution": "policy" if raw.get("distribution") else None,
        "sticky": "kept" if raw.get("sticky") else None,
        "ejected": "none" if raw.get("nobody_ejected") else None,
        "answer_within": with_unit(raw.get("answer_within_s"), "s"),
        "latency": {"outside": limits(outside), "inside": limits(inside)} if outside or inside else None,
    }
