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

from .units import parse_duration, parse_share

FaultKind = Literal[
    "kill", "stop", "restart", "pause",
    "delay", "loss", "corrupt", "duplicate", "reorder", "bandwidth",
    "blackhole", "refuse", "partition", "disconnect", "cpu", "memory",
    "error", "slow", "hang", "unhealthy", "lie",
]  # fmt: skip

_LONGEST_DELAY_S = 60.0
_LEAST_CPU = 0.01
_LAST_PORT = 65535
_LEAST_MEMORY = 6 << 20
_RATES = (8e3, 10e9)
_PORT = re.compile(r"\d{1,5}", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*(kbit|mbit|gbit)", re.ASCII)
_BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB)", re.ASCII)
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
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


def _one_of(*words: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value not in words:
            raise ValueError(f"expected {', '.join(words[:-1])} or {words[-1]}; got {value!r}")

    return check


def _percent(value: str) -> None:
    parse_share(value)


def _cpu(value: str) -> None:
    if parse_share(value) < _LEAST_CPU:
        raise ValueError(f"expected a share of at least 1%; got {value!r}")


def _port(value: str) -> None:
    if not _PORT.fullmatch(value) or not 1 <= int(value) <= _LAST_PORT:
        raise ValueError(f"expected a quoted port number from '1' to '65535'; got {value!r}")


def _peer(value: str) -> None:
    """Any name: the members are known only to a running lab."""


def _other_side(value: str) -> None:
    if value in ("", "all"):
        raise ValueError(f"expected balancer or names of members; got {value!r}")


def _rate(value: str) -> None:
    match = _RATE.fullmatch(value.strip())
    if match is None or not _RATES[0] <= float(match[1]) * _BITS[match[2]] <= _RATES[1]:
        raise ValueError(f"expected a rate with a unit, 8kbit to 10gbit, such as 1mbit; got {value!r}")


def _size(value: str) -> None:
    match = _SIZE.fullmatch(value.strip())
    if match is None or float(match[1]) * _BYTES[match[2]] < _LEAST_MEMORY:
        raise ValueError(f"expected a size with a unit of at least 6MiB, such as 64MiB; got {value!r}")


_NONE: Mapping[str, ParameterRule] = {}
_SCOPE = {"peer": ParameterRule(_peer), "port": ParameterRule(_port)}
_DIRECTION = {"direction": ParameterRule(_one_of("out", "in", "both"))}
_SHAPED = {
    **_SCOPE,
    **_DIRECTION,
    "mechanism": ParameterRule(_one_of("auto", "netem", "nfqueue")),
    "correlation": ParameterRule(_percent),
}
PARAMETERS: Mapping[str, Mapping[str, ParameterRule]] = {
    "kill": _NONE,
    "stop": _NONE,
    "restart": _NONE,
    "pause": _NONE,
    "delay": {
        "delay": ParameterRule(_delay, required=True),
        "jitter": ParameterRule(_jitter),
        "distribution": ParameterRule(_one_of("uniform", "normal", "pareto")),
        **_SHAPED,
    },
    "loss": {
        "loss": ParameterRule(_share, required=True),
        "model": ParameterRule(_one_of("bernoulli", "gilbert-elliott")),
        "recovery": ParameterRule(_share),
        **_SHAPED,
    },
    "corrupt": {"corrupt": ParameterRule(_share, required=True), **_SHAPED},
    "duplicate": {"duplicate": ParameterRule(_share, required=True), **_SHAPED},
    "reorder": {"reorder": ParameterRule(_share, required=True), "delay": ParameterRule(_delay), **_SHAPED},
    "bandwidth": {
        "rate": ParameterRule(_rate, required=True),
        **_SCOPE,
        **_DIRECTION,
        "mechanism": ParameterRule(_one_of("auto", "htb", "nfqueue")),
    },
    "blackhole": {**_SCOPE, **_DIRECTION},
    "refuse": _SCOPE,
    "partition": {"peer": ParameterRule(_other_side, required=True)},
    "disconnect": _NONE,
    "cpu": {"cpu": ParameterRule(_cpu, required=True)},
    "memory": {"limit": ParameterRule(_size, required=True)},
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
