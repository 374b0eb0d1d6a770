"""What every part of a scenario file has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from ..output.inert import quoted


class Strict(BaseModel):
    """Frozen, and closed to keys nobody has heard of."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def wrong(expected: str, got: Any) -> PydanticCustomError:
    """What was expected, and what was found instead."""
    return PydanticCustomError("scenario", "{expected}; got {got}", {"expected": expected, "got": quoted(got)})
