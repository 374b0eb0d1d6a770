"""Fields of a kind of request that only some applications need: headers, a body, the expected status and answer."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from .json_pointer import parse_pointer
from .statuses import parse_statuses
from .strict import StrictModel, field_error

FOLDER: Final = "folder"
"""Key of the validation context with the folder (Path) that `body_file` is relative to."""
LARGEST_BODY: Final = 1024 * 1024
"""Bytes. Every request carries its body, and `plan.json` holds it."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[!-~](?:[ \t!-~]*[!-~])?|", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_GENERATED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields that say how a message is framed or what happens to its connection (RFC 9110 §7.6.1, RFC 9112 §6)."""
Scalar = str | int | float | bool | None
_SCALAR_SCHEMA: Final = {"type": ["string", "number", "boolean", "null"]}


def _checked(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a validator that turns a ValueError of `parse` into the error of the field."""

    def validate(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise field_error(str(error), value) from error

    return validate


def _read_headers(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError("expected a mapping of names to values, such as {Accept: text/html}")
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("expected names of headers, such as Accept")
        if name.lower() in _GENERATED:
            raise ValueError(f"expected headers without {name}, which the generator sets by itself")
        if not isinstance(text, str) or not _VALUE.fullmatch(text):
            raise ValueError(f"expected text of printable ASCII characters, on one line and quoted, as {name}")
        if name.lower() == "host" and not _HOST.fullmatch(text):
            raise ValueError("expected a host name or address, with or without a port, as Host")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("expected each header once, because upper and lower case mean the same")
    return tuple(value.items())


def _read_body(value: Any, info: ValidationInfo) -> bytes:
    """Return the content of the file. It is read now, so that a plan does not depend on the file."""
    if not isinstance(value, str) or not value:
        raise field_error("expected the path of a file", value)
    path = Path((info.context or {}).get(FOLDER, "."), value)
    try:
        if not path.is_file():  # a device or a pipe might never end
            raise field_error("expected a file that exists", str(path))
        with path.open("rb") as file:
            content = file.read(LARGEST_BODY + 1)
    except OSError as error:
        raise field_error(f"expected a file that can be read ({error.strerror})", str(path)) from error
    if len(content) > LARGEST_BODY:
        raise field_error("expected a file of at most 1 MiB", str(path))
    return content


def _read_text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected text, quoted or after `|`")
    try:
        content = value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("expected text that can be written as UTF-8") from error
    if len(content) > LARGEST_BODY:
        raise ValueError("expected at most 1 MiB of text")
    return content


def _read_pointers(value: Any) -> tuple[tuple[str, Scalar], ...]:
    if not isinstance(value, dict) or not value:
        raise ValueError("expected a mapping of JSON pointers to values, such as {/status: up}")
    for pointer, wanted in value.items():
        parse_pointer(pointer if isinstance(pointer, str) else "?")
        if not isinstance(wanted, Scalar) or (isinstance(wanted, float) and not math.isfinite(wanted)):
            raise ValueError(f"expected text, a number, true, false or null for {pointer}")
    return tuple(value.items())


Headers = Annotated[
    tuple[tuple[str, str], ...],
    BeforeValidator(_checked(_read_headers)),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""Names and values, in the order of the file."""
BodyFile = Annotated[bytes, BeforeValidator(_read_body), WithJsonSchema({"type": "string"})]
"""Content of the file whose path is written."""
BodyText = Annotated[bytes, BeforeValidator(_checked(_read_text)), WithJsonSchema({"type": "string"})]
"""The text that is written, in UTF-8."""
_ONE_STATUS: Final = {"anyOf": [{"type": "integer", "minimum": 200, "maximum": 599}, {"type": "string"}]}
Statuses = Annotated[
    tuple[str, ...],
    BeforeValidator(_checked(parse_statuses)),
    WithJsonSchema({"anyOf": [*_ONE_STATUS["anyOf"], {"type": "array", "items": _ONE_STATUS, "minItems": 1}]}),
]
"""Statuses and classes, such as `("201", "4xx")`."""


class ExpectedAnswer(StrictModel):
    """What the body of a good answer contains: `{contains: text}` or `{json: {/pointer: value}}`."""

    contains: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """Text that is somewhere in the body."""
    pointers: Annotated[
        tuple[tuple[str, Scalar], ...],
        BeforeValidator(_checked(_read_pointers)),
        WithJsonSchema({"type": "object", "additionalProperties": _SCALAR_SCHEMA, "minProperties": 1}),
    ] = Field(default=(), alias="json")
    """Values in the body, which is JSON, by JSON pointer (RFC 6901)."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.contains is None) == (not self.pointers):
            raise field_error("expected either contains or json", [*self.model_fields_set])
        return self
