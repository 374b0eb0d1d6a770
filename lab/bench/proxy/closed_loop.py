"""Closed-loop load: each of several connections sends its next request when it has received its response.

This is suitable for measuring the cost of a request at full load. Its latencies reflect the length of the queue, not
what a user would see; experiments use open-loop traffic for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from ...errors import BadArgumentsError
from ...scenario import units

_UNITS = {"MiB": 1024 * 1024, "KiB": 1024}
MAX_BODY = 64 * 1024 * 1024
MAX_CONNECTIONS = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A load: connections, and sizes of request and response bodies."""

    connections: int
    sends: int = 0
    """Bytes of request body; 0 is a GET, everything else a POST."""
    receives: int = 64
    """Bytes of response body."""

    @property
    def path(self) -> str:
        """Request target of the benchmark's backends."""
        return f"/bytes/{self.receives}"

    def __str__(self) -> str:
        return f"{self.connections} × {format_size(self.sends)} → {format_size(self.receives)}"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Result of one run of a load generator."""

    requests: int
    """Requests with a good response."""
    seconds: float
    errors: int
    """Requests with an error response, cut, refused or timed out."""
    p50_s: float
    p99_s: float


class Generator(Protocol):
    """A load generator."""

    @property
    def name(self) -> str:
        """Name in the report."""

    async def run(self, url: str, shape: Shape, seconds: int) -> LoadResult:
        """Load `url` (without path) for `seconds`. Raise `EnvironmentProblemError` if the generator fails."""


def parse_counts(text: str) -> tuple[int, ...]:
    """Parse numbers of connections such as `1,64,512`; empty text gives none. Raise `BadArgumentsError`."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if not all(item.isascii() and item.isdigit() and 1 <= int(item) <= MAX_CONNECTIONS for item in items):
        raise BadArgumentsError(
            f"{text!r} is not a list of numbers of connections", f"write 1,64 (each ≤ {MAX_CONNECTIONS})"
        )
    return tuple(map(int, items))


def parse_sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Parse a comma-separated list of SENT:RECEIVED, such as `16KiB:64KiB`. Raise `BadArgumentsError`."""
    pairs = []
    for item in filter(None, text.split(",")):
        sent, colon, received = item.strip().partition(":")
        if not colon:
            raise BadArgumentsError(
                f"{item!r} is not a pair of sizes", "write SENT:RECEIVED, such as 0B:64B or 16KiB:64KiB"
            )
        pairs.append((parse_size(sent), parse_size(received)))
    return tuple(pairs)


def parse_size(text: str) -> int:
    """Parse a size such as `64B`, `16KiB` or `1MiB` into bytes. Raise `BadArgumentsError`, also above `MAX_BODY`."""
    try:
        size = units.parse_size(text)
    except ValueError as error:
        raise BadArgumentsError(str(error), "write 64B, 16KiB or 1MiB") from error
    if size > MAX_BODY:
        raise BadArgumentsError(f"{text!r} is above {format_size(MAX_BODY)}")
    return size


def format_size(size: int) -> str:
    """Format a size as `16 KiB` or `1 MiB`, or as `100 B` if it is not a multiple of these."""
    for unit, factor in _UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


def percentile(ordered: list[float], share: float) -> float:
    """Return the nearest-rank percentile of sorted values: the smallest with at least `share` of all at or below it."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
