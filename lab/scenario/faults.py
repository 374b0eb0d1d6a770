"""The kinds of faults that a scenario may name, and the parameters of each: what the chaos service will accept.

The chaos service has the last word, but a mistake should be found where it was made: in the file, before a lab is up.
`tests/meta/test_fault_kinds_agree.py` holds the two and docs/faults.md together.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lab.scenario.units import parse_duration, parse_share

FaultKind = Literal[
    "kill", "stop", "restart", "pause",
    "delay", "loss", "blackhole", "refuse",
    "error", "slow", "hang", "unhealthy", "lie",
]  # fmt: skip

_LONGEST_DELAY_S = 60.0
_STATUS = re.compile(r"5\d\d", re.ASCII)


@dataclass(frozen=True, slots=True)
class ParameterRule:
    """`check` raises ValueError for what the parameter cannot be."""

    check: Callable[[str], None]
    required: bool = False


def _delay(value: str) -> None:
    if not 0 < parse_duration(value) <= _LONGEST_DELAY_S:
        raise ValueError(f"expected a duration above 0 and of at most {_LONGEST_DELAY_S:g}s; got {value!r}")


def _jitter(value: str) -> None:
    parse_duration(value)


def _share(value: str) -> None:
    if parse_share(value) == 0:
        raise ValueError(f"expected a share above 0%; got {value!r}")


def _status(value: str) -> None:
    if not _STATUS.fullmatch(value):
        raise ValueError(f"expected a quoted status code from '500' to '599'; got {value!r}")


_NONE: Mapping[str, ParameterRule] = {}
PARAMETERS: Mapping[str, Mapping[str, ParameterRule]] = {
    "kill": _NONE,
    "stop": _NONE,
    "restart": _NONE,
    "pause": _NONE,
    "delay": {"delay": ParameterRule(_delay, required=True), "jitter": ParameterRule(_jitter)},
    "loss": {"loss": ParameterRule(_share, required=True)},
    "blackhole": _NONE,
    "refuse": _NONE,
    "error": {"rate": ParameterRule(_share), "status": ParameterRule(_status)},
    "slow": {"delay": ParameterRule(_delay, required=True)},
    "hang": _NONE,
    "unhealthy": _NONE,
    "lie": {"status": ParameterRule(_status)},
}
"""Fault kind → its parameters by name."""


def complaints(kind: str, params: Mapping[str, str]) -> list[str]:
    """Everything that is wrong with the parameters of a fault, one clause each."""
    rules = PARAMETERS[kind]
    found = [_unknown(kind, name) for name in params if name not in rules]
    found += [f"{kind} requires {name}" for name, rule in rules.items() if rule.required and name not in params]
    for name, rule in rules.items():
        if name in params:
            try:
                rule.check(params[name])
            except ValueError as error:
                found.append(f"{name}: {error}")
    return found


def _unknown(kind: str, name: str) -> str:
    known = PARAMETERS[kind]
    if not known:
        return f"{name} is not a known parameter: {kind} takes none"
    close = difflib.get_close_matches(name, [*known], n=1)
    suggestion = f" (did you mean {close[0]}?)" if close else ""
    return f"{name} is not a known parameter of {kind}{suggestion}; known are {', '.join(known)}"
