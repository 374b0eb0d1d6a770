"""Backends from the configuration, which are read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config.discovery_settings import BackendEntry
from .member import Member


def members(entries: Iterable[BackendEntry]) -> tuple[Member, ...]:
    """Return the entries of a configuration as members."""
    return tuple(Member(entry.id, entry.address.host, entry.address.port, entry.weight) for entry in entries)


class StaticSource:
    """Source that always returns the same backends."""

    interval = 0.0

    def __init__(self, entries: Iterable[BackendEntry]) -> None:
        self._members = members(entries)

    async def read(self) -> Sequence[Member]:
        """Return the configured backends."""
        return self._members
