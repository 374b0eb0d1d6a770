"""Measures the CPU time of picking a backend on this host. Only this module of the simulation uses a real clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from statistics import median
from time import process_time

from ..core.backend import Backend
from ..core.exchange import Exchange
from ..core.policies import POLICIES, Candidates, Load, Policy, create

SIZES = (10, 1_000, 10_000)
PICKS = 2_000
BATCHES = 7
IN_FLIGHT = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """Median CPU time of one pick and its release, in microseconds."""

    policy: str
    backends: int
    pick_us: float


def costs() -> list[Cost]:
    """Measure every policy with every number of backends."""
    return [Cost(name, size, round(_pick_us(name, size), 2)) for name in sorted(POLICIES) for size in SIZES]


def _pick_us(name: str, size: int) -> float:
    backends = tuple(Backend(f"api-{n}", "127.0.0.1", n, latency_mean=0.01) for n in range(size))
    policy, under_way = create(name, Load(max_in_flight=1000)), deque[Backend]()
    _batch(policy, backends, under_way)  # warm up: builds the tables of hash policies
    batches = []
    for _ in range(BATCHES):
        started = process_time()
        _batch(policy, backends, under_way)
        batches.append((process_time() - started) / PICKS * 1e6)
    return median(batches)


def _batch(policy: Policy, backends: Candidates, under_way: deque[Backend]) -> None:
    rng = Random(1)
    for number in range(PICKS):
        picked = policy.pick(backends, Exchange("GET", True, 0.0, 1.0, b"%d" % number), rng, 0.0)
        if picked is not None:
            picked.in_flight += 1
            policy.load.in_flight += 1
            under_way.append(picked)
        if len(under_way) > IN_FLIGHT:
            _release(policy, under_way.popleft())


def _release(policy: Policy, backend: Backend) -> None:
    backend.in_flight -= 1
    policy.load.in_flight -= 1
    policy.released(backend)
