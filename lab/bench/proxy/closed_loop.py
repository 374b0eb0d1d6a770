"""Closed-loop load: so many connections, each asking again as soon as it has its answer.

Right for the cost of a request at full tilt. Its latencies say how long the queue is, not what a user would feel: for
that the experiments' open-loop traffic is there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol

from ...errors import BadArgumentsError

_SIZE = re.compile(r"(\d+)(KiB|MiB)?")
_UNITS = {"": 1, "KiB": 1024, "MiB": 1024 * 1024}
MAX_BODY = 64 * 1024 * 1024
MAX_CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a load looks like."""

    connections: int
    sends: int = 0
    """Bytes of request body; 0 is a GET, everything else a POST."""
    receives: int = 64
    """Bytes of response body."""

    @property
    def path(self) -> str:
        """What to ask the bench's backends for."""
        return f"/bytes/{self.receives}"

    def __str__(self) -> str:
        return f"{self.connections} × {format_size(self.sends)} → {format_size(self.receives)}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one run of a generator saw."""

    requests: int
    """Answered well."""
    seconds: float
    errors: int
    """Answered badly, cut, refused or timed out."""
    p50_s: float
    p99_s: float


class Generator(Protocol):
    """Something that makes load."""

    @property
    def name(self) -> str:
        """As in the report."""

    async def run(self, url: str, shape: Shape, seconds: int) -> Loaded:
        """Load `url` (without path) for so long. Raises `EnvironmentProblemError` where the generator fails."""


def parse_counts(text: str) -> tuple[int, ...]:
    """Numbers of connections from `1,64,512`; none from nothing. Raises `BadArgumentsError`."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not all(item.isascii() and item.isdigit() and 1 <= int(item) <= MAX_CONNECTIONS for item in items):
        raise BadArgumentsError(
            f"{text!r} is not a list of numbers of connections", f"write 1,64 (each ≤ {MAX_CONNECTIONS})"
        )
    return tuple(map(int, items))


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """(sent, received) of each `16KiB:64KiB` in a comma-separated list; none from nothing. Raises as `parse_counts`."""
    pairs = []
    for item in filter(None, text.split(",")):
        sent, colon, received = item.strip().partition(":")
        if not colon:
            raise BadArgumentsError(
                f"{item!r} is not a pair of sizes", "write SENT:RECEIVED, such as 0:64 or 16KiB:64KiB"
            )
        pairs.append((parse_size(sent), parse_size(received)))
    return tuple(pairs)


def parse_size(text: str) -> int:
    """Bytes from `64`, `16KiB` or `1MiB`. Raises `BadArgumentsError`, also over `MAX_BODY`."""
    match = _SIZE.fullmatch(text.strip())
    size = int(match[1]) * _UNITS[match[2] or ""] if match else -1
    if not 0 <= size <= MAX_BODY:
        raise BadArgumentsError(f"{text!r} is not a size of at most {format_size(MAX_BODY)}", "write 64, 16KiB or 1MiB")
    return size


def format_size(size: int) -> str:
    """`16 KiB`; bytes where it is not whole."""
    for unit in ("MiB", "KiB"):
        if size and size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]} {unit}"
    return f"{size} B"


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of sorted values: the smallest with at least `share` of all at or below it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
