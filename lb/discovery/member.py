"""One backend in an answer of discovery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """Id, address and weight of a backend, as its source names them."""

    id: str
    host: str
    port: int
    weight: float = 1.0
