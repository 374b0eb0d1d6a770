"""reorder: a share of the packets overtakes the others, which are delayed. TCP restores the order."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..inputs.units import Seconds, Share
from .base import Layer
from .bound import Bound, Family, Look
from .link_fault import CorrelatedParams, CountedFault


class ReorderParams(CorrelatedParams):
    """Which packets overtake the others."""

    reorder: Share = Field(gt=0, examples=["30%"])
    """Share of packets that are sent without the delay."""
    delay: Seconds = Field(default=0.01, gt=0, le=60, validate_default=False)
    """Delay of all other packets."""


class Reorder(CountedFault):
    """Let packets overtake others."""

    kind = effect = "reorder"
    summary = "the delay; TCP restores the order"
    past = "had packets reordered"
    layer = Layer.SHAPE
    bound = Bound(Look(Family.HARMLESS, "TCP restores the order"))
    params = ReorderParams

    def effects(self, params: ReorderParams) -> dict[str, Any]:
        return {"share": params.reorder, "delay_s": params.delay}


FAULT = Reorder()
