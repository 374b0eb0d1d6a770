"""Models of the responses for OpenAPI, and the statuses that each call can have."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from ..drivers.targets import Capability, TargetInfo
from ..engine.records import FaultRecord


class Problem(BaseModel):
    """Every error's body."""

    error: str
    """A word that a program can match on."""
    detail: str
    """What was wrong, and with which field."""
    possible: list[str]
    """What would have worked, where that can be listed."""


class Status(BaseModel):
    """`GET /healthz`, `GET /readyz`."""

    status: Literal["ok", "ready"]


class Targets(BaseModel):
    """`GET /targets`."""

    targets: list[TargetInfo]


class Capabilities(BaseModel):
    """`GET /capabilities`."""

    runtime: str
    faults: dict[str, Capability]


class FaultKind(BaseModel):
    """One kind in `GET /faults/kinds`."""

    summary: str
    """What a balancer sees."""
    layer: str
    """The part of the target that the fault occupies."""
    bound: dict[str, dict[str, str]]
    """Kind of health check → how the fault looks to it: family of time bounds, and when that applies."""
    support: dict[str, str]
    """Runtime → mechanism, empty if there is none; `lacking` says why."""
    params: dict[str, Any]
    """JSON Schema of `params` in an order."""


class FaultKinds(BaseModel):
    """`GET /faults/kinds`."""

    version: int
    quantities: dict[str, dict[str, Any]]
    """The grammar of parameters with units."""
    kinds: dict[str, FaultKind]


class Faults(BaseModel):
    """`GET /faults`."""

    faults: list[FaultRecord]


class Healed(BaseModel):
    """`POST /reset`."""

    healed: list[str]


class Clock(BaseModel):
    """`GET /clock`."""

    mono: float
    unix: float


_REASONS = {
    400: "The body is not JSON, or not in UTF-8.",
    401: "No bearer token, or a wrong one.",
    403: "Sent by a page of another site, or to a host name that is not ours.",
    404: "No such target, fault or monkey.",
    409: "A conflicting fault, a target that is down, the last healthy backend, or a stop condition that is met.",
    422: "A field that is wrong (kind, duration, parameter, selection), or a fault that this host cannot do.",
    502: "The injection failed, and what it had done is undone.",
    503: "Docker or the supervisor does not answer, the target was removed meanwhile, or too many streams are open.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of one call, for its `responses`; 401 and 403 come with every call but `/healthz`."""
    return {status: {"model": Problem, "description": _REASONS[status]} for status in statuses}
