"""drain: the backend gets no new requests; those in flight finish."""

from __future__ import annotations

from .adjustment import Adjustment
from .base import Call, Json


class Drain(Adjustment):
    """Set the state through the admin API; afterwards the backend is up again."""

    name = "drain"
    summary = "the backend gets no new requests; those in flight finish"

    def change(self, call: Call) -> Json:
        return {"state": self.name}


ACTION = Drain()
