"""STUB until the helper's version is merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Identification:
    """Where an answer names its backend."""

    kind: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse."""
        kind, _, key = text.partition(":")
        if kind not in {"header", "json", "cookie", "none"}:
            raise ValueError("expected header:NAME, json:/pointer, cookie:NAME or none")
        return cls(kind, key)
