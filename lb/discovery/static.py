"""Backends named in the configuration: read once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config.discovery_settings import BackendEntry
from .member import Member


def members(entries: Iterable[BackendEntry]) -> tuple[Member, ...]:
    """Entries of a configuration as members."""
    return tuple(Member(entry.id, entry.address.host, entry.address.port, entry.weight) for entry in entries)


class StaticSource:
    """Always the same backends."""

    interval = 0.0

    def __init__(self, entries: Iterable[BackendEntry]) -> None:
        self._members = members(entries)

    async def read(self) -> Sequence[Member]:
        """The configured backends."""
        return self._members
