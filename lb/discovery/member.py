"""One backend as discovery names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """A backend's id, address and weight, as a source names them."""

    id: str
    host: str
    port: int
    weight: float = 1.0
