"""Base class and error of all parts of a scenario file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from ..output.inert import quoted


class StrictModel(BaseModel):
    """Immutable model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def field_error(expected: str, got: Any) -> PydanticCustomError:
    """Return the error of a field that is not what was expected; `got` is quoted in the message."""
    return PydanticCustomError("scenario", "{expected}; got {got}", {"expected": expected, "got": quoted(got)})
