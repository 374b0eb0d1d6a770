"""The types that configuration values have: each parses what people write, and prints it the same way."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from lb.units import (
    Address,
    address,
    duration,
    format_duration,
    format_share,
    format_size,
    positive_duration,
    share,
    size,
)


class Section(BaseModel):
    """A mapping in the file: no unknown keys, no changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def split(value: object) -> object:
    """A list can be given in one environment variable, separated by commas."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def expect(holds: bool, problem: str) -> None:
    """Raise `ValueError(problem)` unless it holds; pydantic adds where."""
    if not holds:
        raise ValueError(problem)


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{str(value)!r} is not a network such as 10.0.0.0/8 or fd00::/8") from error


def _path(value: object) -> object:
    expect(bool(re.fullmatch(r"/[!-~]*", str(value))), f"{value!r} is not a path such as /health")
    return value


Duration = Annotated[float, BeforeValidator(duration), PlainSerializer(format_duration, return_type=str)]
Positive = Annotated[float, BeforeValidator(positive_duration), PlainSerializer(format_duration, return_type=str)]
Share = Annotated[float, BeforeValidator(share), PlainSerializer(format_share, return_type=str)]
Size = Annotated[int, BeforeValidator(size), PlainSerializer(format_size, return_type=str)]
Listen = Annotated[Address, BeforeValidator(address), PlainSerializer(str, return_type=str)]
AtLeastOne = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
UrlPath = Annotated[str, BeforeValidator(_path)]
