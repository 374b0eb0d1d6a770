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


def scenario(each: Scenario) -> Document:
    """Describe the scenario."""
    floor = expected.floor(each)
    return {
        "kind": "scenario",
        "schema": SCHEMA,
        "scenario": each.name,
        "title": each.title,
        "story": each.story,
        "watch": each.parts.value,
        "rate_per_s": each.rate,
        "utilisation": each.utilisation,
        "measured": [each.warm_up, each.warm_up + each.measured],
        "ends_s": each.ends,
        "focus": each.focus,
        "changes": [{"at_s": change.at, "condition": change.condition.name.lower()} for change in each.changes],
        "backends": [
            {
                "id": f"api-{number}",
                "servers": model.servers,
                "weight": model.weight,
                "work_s": model.service.mean,
                "scv": model.service.scv,
            }
            for number, model in enumerate(each.fleet, 1)
        ],
        "floor": asdict(floor) if floor else None,
    }


def cell(each: Scenario, policy: str, results: Sequence[Result]) -> Document:
    """Combine the runs of one policy in one scenario: sum the counts, and average times and shares over the seeds."""
    latency, shares = expected.latency(each, policy), expected.shares(each, policy)
    return {
        "kind": "cell",
        "scenario": each.name,
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
