"""Describes invalid input: the field, what was expected (in the unit of the input), and what was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from .units import written

OBJECTS = frozenset({"model_attributes_type", "model_type", "dict_type", "dict_attributes_type"})
BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def problems(error: ValidationError, model: type[BaseModel], prefix: str) -> str:
    """Return a description of all errors in an input. `prefix` is the name of the input."""
    return "; ".join(_problem(each, model, prefix) for each in error.errors())


def _problem(error: Any, model: type[BaseModel], prefix: str) -> str:
    path = [str(each) for each in error["loc"]]
    field = model.model_fields.get(path[0]) if path else None
    parsers = [each.func for each in field.metadata if hasattr(each, "func")] if field else []
    return f"{'.'.join([prefix, *path])}: {expected(error, parsers[0] if parsers else None)}"


def expected(error: Any, parser: Callable[..., Any] | None = None) -> str:
    """Return what was expected instead, for one of pydantic's errors. `parser` parses the field's quantity."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "there is no such field"
    if kind in OBJECTS:
        return "expected a JSON object"
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"expected {words} {written(parser, context[name])}, not {written(parser, error['input'])}"
    return str(error["msg"])
