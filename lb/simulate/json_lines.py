"""Results of the simulation as JSON documents, one per line, for `lab bench policies`. Times are in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from . import expected
from .measure import Result
from .scenario import Scenario

SCHEMA = 1
Document = dict[str, Any]


def describe_scenario(scenario: Scenario) -> Document:
    """Return the document that describes a scenario."""
    floor = expected.floor(scenario)
    return {
        "kind": "scenario",
        "schema": SCHEMA,
        "scenario": scenario.name,
        "title": scenario.title,
        "story": scenario.story,
        "watch": scenario.parts.value,
        "rate_per_s": scenario.rate,
        "utilisation": scenario.utilisation,
        "measured": [scenario.warm_up, scenario.warm_up + scenario.measured],
        "ends_s": scenario.ends,
        "focus": scenario.focus,
        "changes": [{"at_s": change.at, "condition": change.condition.name.lower()} for change in scenario.changes],
        "backends": [
            {
                "id": f"api-{number}",
                "servers": model.servers,
                "weight": model.weight,
                "work_s": model.service.mean,
                "scv": model.service.scv,
            }
            for number, model in enumerate(scenario.fleet, 1)
        ],
        "floor": asdict(floor) if floor else None,
    }


def combine_runs(scenario: Scenario, policy: str, results: Sequence[Result]) -> Document:
    """Return the result of one policy in one scenario: sums of counts, and means of times and shares over the seeds."""
    latency, shares = expected.latency(scenario, policy), expected.shares(scenario, policy)
    return {
        "kind": "cell",
        "scenario": scenario.name,
        "policy": policy,
        "seeds": len(results),
        **{name: sum(getattr(r, name) for r in results) for name in _COUNTS},
        **{name: _over_seeds([getattr(r, name) for r in results]) for name in _TIMES},
        "shares": [fmean(part) for part in zip(*(r.shares for r in results), strict=True)],
        "series": [fmean(part) for part in zip(*(r.series for r in results), strict=True)],
        "theory": {"latency": asdict(latency) if latency else None, "shares": asdict(shares) if shares else None},
    }


_COUNTS = ("requests", "failed", "slow", "unfinished", "attempts")
_TIMES = ("mean_s", "p50_s", "p99_s", "worst_s")


def _over_seeds(values: Sequence[float]) -> Document:
    return {"value": fmean(values), "low": min(values), "high": max(values)}
