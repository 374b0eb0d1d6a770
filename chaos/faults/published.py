"""The fault kinds as one JSON document, for `GET /faults/kinds` and `python -m chaos.faults`.

`params` of a kind is JSON Schema (draft 2020-12). A parameter with a unit is a string with the keyword `quantity`,
which names an entry of `quantities`; `minimum`, `maximum` and their exclusive forms then limit its value in the
quantity's base unit. JSON Schema ignores these keywords for strings, so other readers see a string with a pattern.
A required parameter has `examples`; the first is used where any value will do, such as in `lab bench faults`.
`bound` has an entry for HTTP checks, and one for each kind of check for which it differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from ..inputs.settings import RuntimeName
from ..inputs.units import QUANTITIES, quantity_of, written
from .base import AnyFault, Params

VERSION = 1
_LIMITS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def document(faults: Iterable[AnyFault]) -> dict[str, Any]:
    """Return the whole document."""
    return {
        "version": VERSION,
        "quantities": {name: {**asdict(each), "pattern": each.pattern} for name, each in QUANTITIES.items()},
        "kinds": {fault.kind: _kind(fault) for fault in faults},
    }


def _kind(fault: AnyFault) -> dict[str, Any]:
    support = fault.support
    return {
        "summary": fault.summary,
        "past": fault.past,
        "layer": fault.layer.value,
        "bound": {check: asdict(look) for check, look in fault.bound.by_check().items()},
        "support": {**{name: support.on(name) for name in get_args(RuntimeName)}, "lacking": support.lacking},
        "params": _params(fault.params),
    }


def _params(model: type[Params]) -> dict[str, Any]:
    fields = model.model_fields
    return {
        "type": "object",
        "properties": {name: _field(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required()],
        "additionalProperties": False,
    }


def _field(field: FieldInfo) -> dict[str, Any]:
    parser = next((each.func for each in field.metadata if quantity_of(getattr(each, "func", None))), None)
    limits = {
        keyword: getattr(each, name)
        for each in field.metadata
        for name, keyword in _LIMITS.items()
        if getattr(each, name, None) is not None
    }
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, Mapping) else {}
    told: dict[str, Any] = {"description": " ".join((field.description or "").split())}
    if field.examples:
        told["examples"] = field.examples
    if not field.is_required() and field.default is not None:
        told["default"] = written(parser, field.default) if parser else field.default
    return {**_type(field.annotation, parser), **limits, **extra, **told}


def _type(annotation: Any, parser: Any) -> dict[str, Any]:
    if name := quantity_of(parser):
        return {"type": "string", "quantity": name, "pattern": QUANTITIES[name].pattern}
    if get_origin(annotation) is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    plain = {each for each in get_args(annotation) or (annotation,) if each is not NoneType}
    if plain == {int}:
        return {"type": "integer"}
    if plain == {float}:
        return {"type": "number"}
    if plain == {bool}:
        return {"type": "boolean"}
    if plain == {str}:
        return {"type": "string"}
    raise TypeError(f"a fault's parameter is a quantity, a Literal, str, int, float or bool, not {annotation}")
