"""What the matrix tests of both runtimes share: the endings, and how to order a fault of any kind."""

from __future__ import annotations

import itertools
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from chaos.faults import FAULTS

DURATION_S = 4.0
LONG_S = 60.0
"""For faults that are healed by something else than their end."""
GRACE_S = 5.0
"""Healed within the fault's duration and this, whatever crashes (docs/faults.md)."""
SAMPLES = ("150ms", "60%", "1mbit", "32mb", "32MiB", "1", 1, "true", True, ["api-spare"], "api-spare")
"""A required parameter is given the first of these that its model accepts."""


class Ending(StrEnum):
    """How a fault's life goes on after it was injected."""

    EXPIRES = "expires"
    HEALED = "healed early"
    SIGTERM = "SIGTERM of chaos"
    SIGKILL = "SIGKILL of chaos"
    KILLED = "target killed"
    PAUSED = "target paused"
    REMOVED = "target removed"

    @property
    def duration_s(self) -> float:
        """Early ends must come early: with a short duration, expiry would do their work."""
        return LONG_S if self in (Ending.HEALED, Ending.SIGTERM) else DURATION_S


def sample_params(kind: str) -> dict[str, Any]:
    """Valid parameters for any kind, new ones included: only what is required is given."""
    if kind == "partition":
        return {"peer": "api"}  # any text is a name, so no sample would be refused
    model = FAULTS[kind].params
    names = [name for name, field in model.model_fields.items() if field.is_required()]
    for values in itertools.product(SAMPLES, repeat=len(names)):
        params = dict(zip(names, values, strict=True))
        try:
            model.model_validate(params)
        except ValidationError:
            continue
        return params
    raise AssertionError(f"add samples for the parameters of {kind}: {names}")
