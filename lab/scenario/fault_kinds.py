"""The fault kinds of scenarios with their parameters, read from a copy of what the chaos service publishes.

The chaos service checks every order itself. The lab checks too, so that a mistake is reported with its place in the
file, before a lab is started. `fault_kinds.json` is written by `make fault-kinds`; `chaos/faults/published.py`
describes its format.
"""

from __future__ import annotations

import difflib
import json
import operator
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ..errors import EnvironmentProblemError
from ..extensions import FAULTS, points
from ..processes.child_environment import child_environment
from ..processes.launch import words
from .units import FAULT_KINDS_FILE, Quantity

RUNTIMES: Final = ("local", "docker")
_ASK_TIMEOUT_S: Final = 30.0
_LIMITS: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("exclusiveMinimum", "above", operator.gt),
    ("minimum", "at least", operator.ge),
    ("exclusiveMaximum", "below", operator.lt),
    ("maximum", "at most", operator.le),
)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind, as the chaos service declares it."""

    summary: str
    """Description of what the balancer observes."""
    past: str
    """What happened to the target, such as `was paused`."""
    layer: str
    """Part of the target that it occupies."""
    family: str
    """Family of time bounds that applies to the fault if health checks use HTTP."""
    mechanisms: Mapping[str, str]
    """Runtime → how it applies the fault; empty if it cannot."""
    lacking: str
    """What a runtime that cannot apply it lacks."""
    parameters: Mapping[str, Mapping[str, Any]]
    """Parameter name → JSON Schema."""
    required: frozenset[str]

    @property
    def example(self) -> dict[str, str]:
        """Parameters with which the fault can be injected: an example of each required one."""
        return {name: self.parameters[name]["examples"][0] for name in self.parameters if name in self.required}


@dataclass(frozen=True, slots=True)
class FaultKinds:
    """The kinds of one published document."""

    quantities: Mapping[str, Quantity]
    kinds: Mapping[str, FaultKind]


def read(document: Mapping[str, Any]) -> FaultKinds:
    """Return the kinds in a document of `GET /faults/kinds`. Raise KeyError if it has another format."""
    return FaultKinds(Quantity.published(document), {name: _kind(each) for name, each in document["kinds"].items()})


def _kind(each: Mapping[str, Any]) -> FaultKind:
    return FaultKind(
        summary=each["summary"],
        past=each["past"],
        layer=each["layer"],
        family=each["bound"]["http"]["family"],
        mechanisms={name: each["support"][name] for name in RUNTIMES},
        lacking=each["support"]["lacking"],
        parameters=each["params"]["properties"],
        required=frozenset(each["params"]["required"]),
    )


@cache
def built_in() -> FaultKinds:
    """Return the kinds that come with the chaos service."""
    return read(json.loads(FAULT_KINDS_FILE.read_text(encoding="utf-8")))


@cache
def known() -> FaultKinds:
    """Return all kinds of this installation: built-in kinds, and those of other packages.

    The latter are read by the chaos package in a separate process, because the lab shares no code with it. Its messages
    about packages that were left out go to stderr.
    """
    if not points(FAULTS):
        return built_in()
    command = words("chaos.faults")
    try:
        told = subprocess.run(
            command, env=child_environment(), stdout=subprocess.PIPE, timeout=_ASK_TIMEOUT_S, check=True
        )
    except subprocess.SubprocessError as error:  # the process failed, with its reason on stderr, or took too long
        raise EnvironmentProblemError("the fault kinds of other packages cannot be read", str(error)) from error
    return read(json.loads(told.stdout))


def find(kind: str) -> FaultKind | None:
    """Return the kind of that name, or None. Other packages are searched only if it is not built in."""
    return built_in().kinds.get(kind) or known().kinds.get(kind)


def like(kind: str) -> str:
    """Return the built-in kind to which the same time bound applies as to `kind`; empty if there is none."""
    family = fault.family if (fault := find(kind)) else ""
    return next((name for name, each in built_in().kinds.items() if each.family == family), "")


def complaints(kind: str, params: Mapping[str, str]) -> list[str]:
    """Return everything that is wrong with the parameters of a fault, as one clause each."""
    fault, quantities = find(kind), built_in().quantities
    if fault is None:
        return [f"{kind} is not a known fault"]
    found = [_unknown(kind, fault, name) for name in params if name not in fault.parameters]
    found += [f"{kind} requires {name}" for name in fault.parameters if name in fault.required and name not in params]
    for name, rule in fault.parameters.items():
        if name in params and (complaint := _complaint(rule, params[name], quantities)):
            found.append(f"{name}: {complaint}; got {params[name]!r}")
    return found


def values(rule: Mapping[str, Any]) -> str:
    """Return which values a parameter accepts, with units and limits, such as `in %, at most 100%`."""
    if "enum" in rule:
        return _one_of(rule["enum"])
    if quantity := built_in().quantities.get(rule.get("quantity", "")):
        highest = {} if quantity.maximum is None else {"maximum": quantity.maximum}
        return f"in {_one_of([*quantity.units])}{_limits(highest | dict(rule), quantity, ', ')}"
    word: str = {"string": "text", "integer": "whole number"}.get(rule["type"], rule["type"])
    return word + _limits(rule, None, ", ")


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]


def _complaint(rule: Mapping[str, Any], text: str, quantities: Mapping[str, Quantity]) -> str:
    """Return what was expected, or an empty string if the text is valid."""
    if "enum" in rule:
        return "" if text in rule["enum"] else f"expected {_one_of(rule['enum'])}"
    if text in rule.get("not", {}).get("enum", ()):
        return f"expected {rule['description']}"
    if quantity := quantities.get(rule.get("quantity", "")):
        try:
            value = quantity.parse(text)
        except ValueError as error:
            return f"{error}{_limits(rule, quantity, ', ')}"
        return "" if _within(rule, value) else f"expected{_limits(rule, quantity)}"
    if rule["type"] in ("integer", "number"):
        form = r"-?\d+" if rule["type"] == "integer" else r"-?\d+(\.\d+)?"
        right = re.fullmatch(form, text, re.ASCII) and _within(rule, float(text))
        return "" if right else f"expected a quoted number,{_limits(rule, None)}"
    if rule["type"] == "boolean":
        return "" if text in ("true", "false") else "expected 'true' or 'false'"
    return ""


def _within(rule: Mapping[str, Any], value: float) -> bool:
    return all(holds(value, rule[keyword]) for keyword, _, holds in _LIMITS if keyword in rule)


def _limits(rule: Mapping[str, Any], quantity: Quantity | None, before: str = " ") -> str:
    """Return the limits as text, or an empty string if there are none."""
    words = [
        f"{word} {quantity.written(rule[keyword]) if quantity else rule[keyword]}"
        for keyword, word, _ in _LIMITS
        if keyword in rule
    ]
    return before + " and ".join(words) if words else ""


def _unknown(kind: str, fault: FaultKind, name: str) -> str:
    if not fault.parameters:
        return f"{name} is not a known parameter: {kind} takes none"
    close = difflib.get_close_matches(name, [*fault.parameters], n=1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    return f"{name} is not a known parameter of {kind}{suggestion}; known are {', '.join(fault.parameters)}"
