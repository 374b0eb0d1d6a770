"""maint: the backend gets no requests and is not checked."""

from __future__ import annotations

from .adjustment import Adjustment
from .base import Call, Json


class Maint(Adjustment):
    """Set the state through the admin API; afterwards the backend is up again."""

    name = "maint"
    summary = "the backend gets no requests and is not checked"

    def change(self, call: Call) -> Json:
        return {"state": self.name}


ACTION = Maint()
