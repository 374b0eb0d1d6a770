"""Runs one policy in one scenario with one seed, and computes the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from ..core.backend import Backend, State
from .scenario import ActiveParts, Scenario
from .simulation import Request, Simulation

BINS = 60
"""Number of points in the series, about as many as a small chart can show."""
SLOW = 0.250
"""Seconds after which a response counts as slow, the same as the lab's default."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result for the requests that arrived within the measured window; times are in seconds."""

    requests: int
    failed: int
    slow: int
    unfinished: int
    """Requests without a response at the end of the run. Their waiting time so far counts as their latency."""
    attempts: int
    mean_s: float
    p50_s: float
    p99_s: float
    worst_s: float
    shares: tuple[float, ...]
    """Share of the first attempts by backend, in the order of the fleet."""
    series: tuple[float, ...]
    """Share of the backend in focus over `BINS` equal slices of the whole run; empty without a focus."""


def run(scenario: Scenario, policy: str, seed: int) -> Result:
    """Simulate the scenario and return the measured result."""
    probing = scenario.parts is not ActiveParts.POLICY_ONLY
    simulation = Simulation(scenario.settings(policy), scenario.fleet, seed=seed, probing=probing)
    simulation.traffic(lambda rng: rng.expovariate(scenario.rate), until=scenario.ends)
    for change in scenario.changes:
        simulation.run_until(change.at)
        simulation.set_condition(_focus(scenario, simulation), change.condition)
    simulation.run_until(scenario.ends)
    start = _window_start(scenario, simulation)
    measured = [r for r in simulation.requests if start <= r.arrived < start + scenario.measured]
    return _result(scenario, simulation, measured)


def _window_start(scenario: Scenario, simulation: Simulation) -> float:
    if not scenario.from_readmission:
        return scenario.warm_up
    focus = _focus(scenario, simulation)
    return next(t.at for t in reversed(simulation.transitions) if t.backend == focus.id and t.new is State.UP)


def _result(scenario: Scenario, simulation: Simulation, requests: Sequence[Request]) -> Result:
    now = simulation.agenda.now
    latencies = sorted(request.latency(now) for request in requests)
    picked = Counter(request.first for request in requests)
    return Result(
        requests=len(requests),
        failed=sum(request.status not in (0, 200) for request in requests),
        slow=sum(latency > SLOW for latency in latencies),
        unfinished=sum(request.status == 0 for request in requests),
        attempts=sum(request.attempts for request in requests),
        mean_s=fmean(latencies),
        p50_s=percentile(latencies, 0.5),
        p99_s=percentile(latencies, 0.99),
        worst_s=latencies[-1],
        shares=tuple(picked[backend.id] / len(requests) for backend in simulation.backends),
        series=_series(scenario, simulation),
    )


def _series(scenario: Scenario, simulation: Simulation) -> tuple[float, ...]:
    if scenario.focus is None:
        return ()
    focus = _focus(scenario, simulation).id
    every, its = [0] * BINS, [0] * BINS
    for request in simulation.requests:
        slice_ = min(BINS - 1, int(request.arrived / scenario.ends * BINS))
        every[slice_] += 1
        its[slice_] += request.first == focus
    return tuple(part / max(1, whole) for part, whole in zip(its, every, strict=True))


def _focus(scenario: Scenario, simulation: Simulation) -> Backend:
    return simulation.backends[scenario.focus or 0]


def percentile(ascending: Sequence[float], q: float) -> float:
    """Return the smallest value that is at least as large as a share `q` of the values (nearest rank)."""
    return ascending[max(0, -int(-q * len(ascending) // 1) - 1)]
