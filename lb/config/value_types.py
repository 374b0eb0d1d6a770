"""Types of configuration values. Each parses the text in the file and can format the value in the same form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from .ceilings import (
    LEAST_WEIGHT,
    LONGEST_S,
    MOST_BYTES,
    MOST_COUNT,
    MOST_NETWORKS,
    MOST_PROBE_FIELDS,
    MOST_WEIGHT,
    SHORTEST_INTERVAL_S,
    SHORTEST_S,
)
from .units import (
    Address,
    address,
    duration,
    format_duration,
    format_share,
    format_size,
    is_host_name,
    positive_duration,
    positive_size,
    share,
    size,
)


class Section(BaseModel):
    """A mapping in the file. Unknown keys are refused, and it cannot be changed later."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AtStart:
    """Marker of a key that only a restart can change. Such keys concern listening sockets, files and processes."""


AT_START = AtStart()


def split(value: object) -> object:
    """Split a text at commas, so that an environment variable can contain a list."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def expect(holds: bool, problem: str) -> None:
    """Raise ValueError with the problem unless `holds`. pydantic adds the location."""
    if not holds:
        raise ValueError(problem)


def at_most(most: Any, shown: Callable[[Any], str] = str) -> AfterValidator:
    """Return a validator that refuses values above `most`. `shown` formats a value with its unit."""

    def check(value: Any) -> Any:
        expect(value <= most, f"{shown(value)} is too much; at most {shown(most)}")
        return value

    return AfterValidator(check)


def at_least(least: Any, shown: Callable[[Any], str] = str) -> AfterValidator:
    """Return a validator that refuses values below `least`. `shown` formats a value with its unit."""

    def check(value: Any) -> Any:
        expect(value >= least, f"{shown(value)} is too little; at least {shown(least)}")
        return value

    return AfterValidator(check)


def _weight(value: float) -> float:
    fits = value == 0 or LEAST_WEIGHT <= value <= MOST_WEIGHT
    expect(fits, f"{value:g} is not a weight: 0, or {LEAST_WEIGHT} to {MOST_WEIGHT}")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{str(value)!r} is not a network such as 10.0.0.0/8 or fd00::/8") from error


def _path(value: object) -> object:
    expect(bool(re.fullmatch(r"/[!-~]*", str(value))), f"{value!r} is not a path such as /health")
    return value


def _token(value: object) -> object:
    expect(bool(_TOKEN.fullmatch(str(value))), f"{str(value)!r} is not a name of letters, digits and !#$%&'*+.^_`|~-")
    return value


def _fields(value: object) -> object:
    """Parse header fields: a mapping, or `Name: value, Name: value` in an environment variable."""
    if isinstance(value, str):
        lines = (line.partition(":") for line in value.split(",") if line.strip())
        value = {name.strip(): text.strip() for name, _, text in lines}
    if isinstance(value, Mapping):
        for name, text in value.items():
            _token(name)
            expect(bool(_FIELD_VALUE.fullmatch(str(text))), f"the value of {name} is not printable text in one line")
    return value


def _statuses(value: object) -> object:
    """Parse a status such as `200`, or a range such as `200-399`."""
    if isinstance(value, tuple):
        return value
    match = _STATUSES.fullmatch(str(value))
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    expect(200 <= low <= high <= 599, f"{str(value)!r} is not a status such as 200 or a range such as 200-399")
    return low, high


def _show_statuses(statuses: tuple[int, int]) -> str:
    low, high = statuses
    return str(low) if low == high else f"{low}-{high}"


def _host_name(value: object) -> object:
    name = str(value)
    expect(isinstance(value, str) and is_host_name(name), f"{name[:80]!r} is not a host name such as lb.internal")
    return name.lower()


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_FIELD_VALUE = re.compile(r"[\t -~]*")
_STATUSES = re.compile(r"(\d{3})(?:-(\d{3}))?")

Token = Annotated[str, BeforeValidator(_token)]
"""Name of a header field or cookie (token, RFC 9110 §5.6.2)."""
Fields = Annotated[Mapping[str, str], BeforeValidator(_fields), Field(max_length=MOST_PROBE_FIELDS)]
HostName = Annotated[str, BeforeValidator(_host_name)]
Statuses = Annotated[tuple[int, int], BeforeValidator(_statuses), PlainSerializer(_show_statuses, return_type=str)]
Duration = Annotated[
    float,
    BeforeValidator(duration),
    at_most(LONGEST_S, format_duration),
    PlainSerializer(format_duration, return_type=str),
]
Positive = Annotated[
    float,
    BeforeValidator(positive_duration),
    at_least(SHORTEST_S, format_duration),
    at_most(LONGEST_S, format_duration),
    PlainSerializer(format_duration, return_type=str),
]
Interval = Annotated[Positive, at_least(SHORTEST_INTERVAL_S, format_duration)]
"""Interval of repeated work."""
Share = Annotated[float, BeforeValidator(share), PlainSerializer(format_share, return_type=str)]
Size = Annotated[
    int, BeforeValidator(positive_size), at_most(MOST_BYTES, format_size), PlainSerializer(format_size, return_type=str)
]
Rate = Annotated[
    int, BeforeValidator(size), at_most(MOST_BYTES, format_size), PlainSerializer(format_size, return_type=str)
]
"""Rate in bytes per second."""
Listen = Annotated[
    Address,
    BeforeValidator(address),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:8080"]}),
]
AtLeastOne = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
Number = Annotated[float, Field(ge=0, le=MOST_COUNT, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_weight)]
"""Weight of a backend."""
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(split), Field(max_length=MOST_NETWORKS)]
UrlPath = Annotated[str, BeforeValidator(_path)]
