"""A tuning as JSON (docs/tune.md describes the fields). Times are in seconds; null: it has no end, or is not set."""

from __future__ import annotations

import math
from typing import Any

from ..advise.findings import Severity
from ..advise.prediction import Prediction
from .goal import LIMITS, MEASURES, check_rate
from .patch import Patch
from .tuner import Tuning, Version, shown


def as_document(tuning: Tuning, patch: Patch) -> dict[str, Any]:
    """Return the document of `lab tune --json`."""
    request, before, after = tuning.request, tuning.before, tuning.after
    return {
        "schema": 1,
        "program": request.program,
        "pool": before.pool.name,
        "met": tuning.met,
        "goals": [
            {
                "goal": goal.text,
                "fault": fault,
                "measure": goal.measure.name,
                "bound": goal.bound,
                "before": _finite(goal.of(before.advice.predictions)[fault]),
                "after": _finite(value),
            }
            for goal in request.goals
            for fault, value in goal.of(after.advice.predictions).items()
        ],
        "limits": [
            {
                "limit": limit.text,
                "bound": limit.bound,
                "before": _finite(LIMITS[limit.name].read(before.pool.settings, before.advice.predictions)),
                "after": _finite(LIMITS[limit.name].read(after.pool.settings, after.advice.predictions)),
            }
            for limit in request.limits
        ],
        "slowest_response_s": tuning.bounds.slowest_response_s,
        "longest_ejection_s": tuning.bounds.longest_ejection_s,
        "changes": [
            {
                "name": each.tunable.name,
                "writes": dict(each.candidate.writes),
                "before": shown(each.before),
                "remark": each.tunable.remark,
            }
            for each in tuning.changes
        ],
        "before": _version(before),
        "after": _version(after),
        "missed": [
            {"goal": each.goal.text, "fault": each.fault, "value": _finite(each.value), "why": list(each.why)}
            for each in tuning.missed
        ],
        "broken_limits": list(tuning.broken),
        "left_out": list(tuning.left_out),
        "other_pools": list(tuning.others),
        "checked": tuning.checked,
        "tried": tuning.tried,
        "patch": patch.text,
        "patch_folder": str(patch.folder),
    }


def _version(version: Version) -> dict[str, Any]:
    found = [each for each in version.advice.findings if each.severity is not Severity.NOTE]
    return {
        "predictions": [_prediction(each) for each in version.advice.predictions],
        "checks_per_s": _finite(check_rate(version.pool.settings)),
        "findings": [{"rule": each.rule, "severity": each.severity, "happens": each.happens} for each in found],
    }


def _prediction(each: Prediction) -> dict[str, Any]:
    return {"fault": each.fault, **{name: _finite(measure.read(each)) for name, measure in MEASURES.items()}}


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value
