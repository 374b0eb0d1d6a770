"""The stop condition of an order: a value read over HTTP that ends the fault when it crosses a limit. Pure.

A condition that cannot be read for `BLIND_S` counts as met, because an experiment must not continue unobserved.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, ConfigDict, Field, field_validator

BLIND_S = 1.0
_METRIC = re.compile(r'metric:([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:\s*\w+="[^"]*"\s*,?)*)\})?', re.ASCII)
_LABEL = re.compile(r'(\w+)="([^"]*)"', re.ASCII)

Value = float | str | bool | None
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


class UnreadableError(Exception):
    """The value could not be read."""


class StopWhen(BaseModel):
    """Ends the fault as soon as the value read at `url` has the relation `op` to `value`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(max_length=2000, examples=["http://127.0.0.1:8081/metrics"])
    """URL with scheme http and a host that is loopback or a service of this lab."""
    read: str = Field(default="status", max_length=500, examples=["status", "json:/panic", 'metric:name{label="x"}'])
    """`status`, `json:` with an RFC 6901 pointer, or `metric:` with a Prometheus sample (the sum of all that match)."""
    op: Literal[">", ">=", "<", "<=", "==", "!="]
    value: float | str | bool
    """Value to compare with. It must be a number for `<`, `<=`, `>` and `>=`."""

    @field_validator("url")
    @classmethod
    def _is_plain_http(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            good = parts.scheme == "http" and parts.hostname and parts.username is None and parts.port != 0
        except ValueError:
            good = False
        if not good or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("expected an http:// URL with a host, without user or spaces")
        return url

    @field_validator("read")
    @classmethod
    def _is_known(cls, read: str) -> str:
        pointer = read.removeprefix("json:")
        if read == "status" or _METRIC.fullmatch(read) or (pointer != read and (not pointer or pointer[0] == "/")):
            return read
        raise ValueError('expected status, json:/a/pointer or metric:name{label="value"}')

    def __str__(self) -> str:
        return f"{self.read} of {self.url} {self.op} {self.value}"


def read_value(read: str, status: int, body: bytes) -> Value:
    """Return the value that `read` names in this response. Raise UnreadableError."""
    if read == "status":
        return status
    if status != 200:
        raise UnreadableError(f"HTTP {status}")
    text = body.decode(errors="replace")
    return _from_json(read.removeprefix("json:"), text) if read.startswith("json:") else _from_metrics(read, text)


def is_met(condition: StopWhen, value: Value) -> bool:
    """Return whether the condition is met. Raise UnreadableError if the two values cannot be compared."""
    try:
        return _OPERATORS[condition.op](value, condition.value)
    except TypeError as error:
        raise UnreadableError(f"{value!r} {condition.op} {condition.value!r} cannot be compared") from error


class StopConditionWatch:
    """Decides from successive readings when to stop. The time is an argument."""

    def __init__(self, condition: StopWhen) -> None:
        self._condition = condition
        self._blind_since: float | None = None

    def reading(self, value: Value) -> str | None:
        """Record a value that was read. Return the reason to stop, or None."""
        self._blind_since = None
        return f"stop condition: {self._condition} (it was {value})" if is_met(self._condition, value) else None

    def failed_reading(self, reason: str, asked: float, now: float) -> str | None:
        """Record a failed reading that began at `asked`. Return the reason to stop if none succeeded for `BLIND_S`."""
        self._blind_since = asked if self._blind_since is None else self._blind_since
        blind = now - self._blind_since >= BLIND_S
        return f"stop condition: {self._condition} cannot be read: {reason}" if blind else None


def _from_json(pointer: str, text: str) -> Value:
    try:
        node = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("the answer is not JSON") from error
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")  # RFC 6901 §4
        if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        elif isinstance(node, dict) and key in node:
            node = node[key]
        else:
            raise UnreadableError(f"the answer has no {pointer}")
    if isinstance(node, dict | list):
        raise UnreadableError(f"{pointer} is an object, a list or null")
    value: Value = node
    return value


def _from_metrics(read: str, text: str) -> float:
    match = _METRIC.fullmatch(read)
    name, labels = (match[1], dict(_LABEL.findall(match[2] or ""))) if match else ("", {})
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except (ValueError, KeyError, IndexError) as error:
        raise UnreadableError("the answer is not in Prometheus' text format") from error
    values = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    if not values:
        raise UnreadableError(f"no sample {read.removeprefix('metric:')}")
    return sum(values)
