"""duplicate: a share of the packets arrives twice. TCP drops the second, so that applications notice nothing."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..inputs.units import Share
from .base import Layer
from .bound import Bound, Family, Look
from .link_fault import CorrelatedParams, CountedFault


class DuplicateParams(CorrelatedParams):
    """How many packets are sent twice."""

    duplicate: Share = Field(gt=0, examples=["30%"])
    """Share of packets sent twice."""


class Duplicate(CountedFault):
    """Send packets twice."""

    kind = effect = "duplicate"
    summary = "nothing: TCP drops the duplicate"
    past = "had packets duplicated"
    layer = Layer.SHAPE
    bound = Bound(Look(Family.HARMLESS, "TCP drops duplicates"))
    params = DuplicateParams

    def effects(self, params: DuplicateParams) -> dict[str, Any]:
        return {"share": params.duplicate}


FAULT = Duplicate()
