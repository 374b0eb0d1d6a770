"""Reroute publishes its bounds (`GET /bounds`), so its model only reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from ...balancers.configuration import (
    CheckKind,
    Checks,
    FailoverSettings,
    Failure,
    Passive,
    Place,
    Pool,
    Retries,
    Server,
    Value,
)
from ...scenario.units import parse_duration, parse_share
from ..failover_model import BY_CHECKS, BY_TRAFFIC, Case, FailoverModel
from ..prediction import Duration, Estimate, Fault, Input, Term

T = TypeVar("T")
_PUBLISHED: Final = "published by the balancer (GET /bounds)"
_NAMES: Final = {Fault.DRAIN: "unhealthy"}
"""Names of those faults that Reroute's bounds call differently."""


class RerouteModel(FailoverModel):
    """Predicts for Reroute from its published bounds. They have no expected value, so it equals the worst case."""

    program = "reroute"
    docs: ClassVar = {"": "docs/configuration.md"}
    lines: ClassVar = {}

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
        longest = _published("reroute" if traffic in (None, checks) else "with traffic", seconds, bound)
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
    """Return one term: the part of the published formula that begins with `what`, with its symbols as inputs."""
    parts = [part for part in str(bound["formula"]).split(" · ") if part.startswith(what)]
    formula = parts[0].partition("≤ ")[2] if parts else str(bound["formula"])
    inputs = tuple(
        Input(name, "symbol of docs/health.md", float(value), _PUBLISHED)
        for name, value in bound.get("terms", {}).items()
        if name in formula
    )
    return Duration((Term(formula, seconds, inputs),))


def published_pool(url: str, config: Mapping[str, Any], backends: Sequence[Mapping[str, Any]]) -> Pool:
    """Return the pool of a running balancer, from `GET /config` and `GET /backends` of its admin API at `url`.

    Raise KeyError, TypeError or ValueError if a document is not of Reroute.
    """
    retry, health, passive = config["retry"], config["health"], config["passive"]
    place = Place(Path("GET /config"), 1, 0, 0)

    def value(given: T) -> Value[T]:
        return Value(given, place)

    attempts, sent_not = int(retry["max_attempts"]), frozenset({Failure.CONNECT})
    fast_s = value(parse_duration(health["fast_interval"]))
    settings = FailoverSettings(
        connect_timeout_s=value(parse_duration(retry["connect_timeout"])),
        response_timeout_s=value(parse_duration(retry["per_try_timeout"])),
        retries=Retries(
            attempts=value(attempts),
            on=value(sent_not | {Failure.CLOSED, Failure.TIMEOUT}),
            non_idempotent_on=value(sent_not),
            other_server_from=value(2 if attempts > 1 else None),
            total_s=value(parse_duration(retry["total_timeout"])),
            # A budget: a share of the requests, and a few per second in any case.
            most_concurrent=value(round(retry["budget_min_per_s"])),
        ),
        checks=Checks(
            kind=value(CheckKind(health["kind"])),
            interval_s=value(parse_duration(health["interval"])),
            doubt_interval_s=fast_s,
            down_interval_s=fast_s,
            timeout_s=value(parse_duration(health["timeout"])),
            fall=value(int(health["fall"])),
            rise=value(int(health["rise"])),
            jitter=value(parse_share(health["jitter"])),
        ),
        passive=Passive(
            failures=value(int(passive["consecutive_failures"])),
            counted=value(frozenset(Failure)),
            ejection_s=value(parse_duration(passive["base_ejection"])),
            most_ejected=value(parse_share(passive["max_ejected_share"])),
        ),
    )
    servers = tuple(Server(str(each["id"]), str(each["address"]), place) for each in backends)
    return Pool(url, place, servers, settings)
