"""weight: the backend gets another weight; afterwards its former weight."""

from __future__ import annotations

from typing import Literal

from .adjustment import Adjustment
from .base import Call, Json, OperatedLab


class Weight(Adjustment):
    """Set the weight through the admin API."""

    name = "weight"
    summary = "the backend gets another weight"
    value_field: Literal["weight"] = "weight"

    def change(self, call: Call) -> Json:
        return {"weight": call.value}

    def back(self, call: Call, lab: OperatedLab) -> Json:
        return {"weight": lab.weights[call.backends[0]]}


ACTION = Weight()
