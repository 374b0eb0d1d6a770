"""Reroute publishes its bounds (`GET /bounds`), so its model only reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from ..failover_model import BY_CHECKS, BY_TRAFFIC, Case, FailoverModel
from ..prediction import Duration, Estimate, Fault, Input, Term

_PUBLISHED: Final = "published by the balancer (GET /bounds)"
_NAMES: Final = {Fault.DRAIN: "unhealthy"}
"""Names of those faults that Reroute's bounds call differently."""


class RerouteModel(FailoverModel):
    """Predicts for Reroute from its published bounds. They have no expected value, so it equals the worst case."""

    program = "reroute"
    docs: ClassVar = {"": "docs/configuration.md"}

    def __init__(self, bounds: Sequence[Mapping[str, Any]]) -> None:
        """`bounds`: the documents of `GET /bounds`."""
        super().__init__()
        self._bounds = {str(each["fault"]): each for each in bounds}

    def notice(self, case: Case) -> Estimate:
        """Return the bound with traffic, or by checks alone if live traffic adds nothing."""
        bound = self._bounds.get(_NAMES.get(case.fault, case.fault), {})
        traffic, checks = bound.get("reroute_traffic_s"), bound.get("reroute_s")
        seconds = checks if traffic is None else traffic
        if seconds is None:
            return Estimate(None, None, str(bound.get("condition") or "the balancer publishes no bound"))
        longest = _published("reroute", seconds, bound)
        return Estimate(longest, longest, BY_CHECKS if traffic in (None, checks) else BY_TRAFFIC)

    def relapse(self, case: Case) -> None:
        """Return None: a server that fails its checks gets no requests."""

    def back(self, case: Case, notice: Estimate) -> Estimate:
        """Return the published bound on the time until the server has its full weight again."""
        bound = self._bounds.get(_NAMES.get(case.fault, case.fault), {})
        seconds = bound.get("readmit_s")
        if seconds is None:
            return Estimate(None, None, str(bound.get("condition") or "the balancer publishes no bound"))
        longest = _published("readmit", seconds, bound)
        return Estimate(longest, longest, BY_CHECKS)


def _published(what: str, seconds: float, bound: Mapping[str, Any]) -> Duration:
    """Return one term that has the formula's symbols as inputs."""
    inputs = tuple(Input(name, "", float(value), _PUBLISHED) for name, value in bound.get("terms", {}).items())
    return Duration((Term(f"{what} of: {bound['formula']}", seconds, inputs),))
