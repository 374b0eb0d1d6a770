"""Plans for tests: small, and concrete in what matters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.scenario.plan import Plan, PlannedLoad, PlannedRequest, PlannedStep

GET = PlannedRequest("GET", "/work?sleep_ms=2", 0.9)
POST = PlannedRequest("POST", "/jobs", 0.1)
EXPECT = {
    "reroute": "within_bound",
    "readmit": "within_bound",
    "idempotent_failures": 0,
    "lost": 0,
    "duplicated": 0,
    "zombie": 0,
}


def load(**changes: Any) -> PlannedLoad:
    base = PlannedLoad(rate=200.0, pacing="constant", keep_alive=True, patience_s=3.0, slow_s=0.25, mix=(GET, POST))
    return replace(base, **changes)


def step(**changes: Any) -> PlannedStep:
    base = PlannedStep(at_s=3.0, fault="pause", target="api-1", pick=0.0, duration_s=4.0, params={}, allow_last=False)
    return replace(base, **changes)


def plan(**changes: Any) -> Plan:
    base = Plan(
        scenario="test",
        title="A test",
        description="",
        seed=1,
        load=load(),
        warm_up_s=1.0,
        steady_s=2.0,
        steps=(step(),),
        settle_s=1.0,
        settle_limit_s=15.0,
        expect=EXPECT,
    )
    return replace(base, **changes)


def traffic_only(seconds: float, **load_changes: Any) -> Plan:
    """A plan whose traffic ends by itself after `seconds`."""
    return plan(warm_up_s=0.0, steady_s=seconds, steps=(), settle_s=0.0, settle_limit_s=0.0, load=load(**load_changes))
