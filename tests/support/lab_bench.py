"""A small benchmark record, as `python -m lb.simulate` would have it."""

from __future__ import annotations

from typing import Any

from lab.bench.policies.bench_record import DOCUMENT, Bench, Cell, Cost, Disruption, Scenario

BACKENDS = [{"id": f"api-{n}", "servers": n, "weight": n, "work_s": 0.01, "scv": 1.0} for n in (1, 2)]
EXACT = {
    "relation": "=",
    "formula": "M/M/c",
    "source": "Erlang <1917>",
    "mean_s": 0.020,
    "p50_s": 0.014,
    "p99_s": 0.092,
}
OVERLOAD = {"relation": "∞", "formula": "λS ≥ c", "source": "too much", "mean_s": None, "p50_s": None, "p99_s": None}


def scenario(**changes: Any) -> Scenario:
    document: dict[str, Any] = {
        "kind": "scenario",
        "scenario": "uneven",
        "title": "One & two",
        "story": "Two backends.",
        "watch": "the policy alone",
        "rate_per_s": 210.0,
        "utilisation": 0.7,
        "measured": [1.0, 9.0],
        "ends_s": 9.0,
        "focus": 0,
        "changes": [],
        "backends": BACKENDS,
        "floor": EXACT | {"relation": "≥", "mean_s": 0.015, "p50_s": None, "p99_s": None},
    }
    made = DOCUMENT.validate_python(document | changes)
    assert isinstance(made, Scenario)
    return made


def cell(policy: str, mean_s: float, **changes: Any) -> Cell:
    def spread(value: float) -> dict[str, float]:
        return {"value": value, "low": value * 0.9, "high": value * 1.1}

    document: dict[str, Any] = {
        "kind": "cell",
        "scenario": "uneven",
        "policy": policy,
        "seeds": 2,
        "requests": 1000,
        "failed": 0,
        "slow": 0,
        "unfinished": 0,
        "attempts": 1000,
        "mean_s": spread(mean_s),
        "p50_s": spread(mean_s * 0.7),
        "p99_s": spread(mean_s * 4.6),
        "worst_s": spread(mean_s * 8),
        "shares": [0.33, 0.67],
        "series": [0.3, 0.34, 0.33],
        "theory": {"latency": None, "shares": None},
    }
    made = DOCUMENT.validate_python(document | changes)
    assert isinstance(made, Cell)
    return made


def bench(*cells: Cell, of: Scenario | None = None) -> Bench:
    return Bench(
        schema=1,
        made="2026-11-22T12:00:00+00:00",
        command="lab bench policies --seeds 2 --scale 1",
        seeds=2,
        scale=1.0,
        scenarios=(of or scenario(),),
        cells=cells,
        disruption=(
            Disruption(
                kind="disruption",
                policy="maglev",
                backends=10,
                moved=0.11,
                without_need=0.01,
                theory=0.1,
                formula="1/N",
                source="Karger",
            ),
        ),
        cost=tuple(Cost(kind="cost", policy="p2c", backends=size, pick_us=1.5) for size in (10, 1000)),
    )
