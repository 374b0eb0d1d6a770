"""Models of the responses for OpenAPI, and the error statuses of each call."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from ..drivers.targets import Capability, TargetInfo
from ..engine.records import FaultRecord


class Problem(BaseModel):
    """Body of every error response."""

    error: str
    """Error code for programs."""
    detail: str
    """What is wrong, and with which field."""
    possible: list[str]
    """Valid alternatives, if they can be listed."""


class Status(BaseModel):
    """Response of `GET /healthz` and `GET /readyz`."""

    status: Literal["ok", "ready"]


class Targets(BaseModel):
    """Response of `GET /targets`."""

    targets: list[TargetInfo]
    why: str = ""
    """Why targets that were asked for with CHAOS_TARGETS do not exist; empty if they do."""


class Capabilities(BaseModel):
    """Response of `GET /capabilities`."""

    runtime: str
    faults: dict[str, Capability]


class FaultKind(BaseModel):
    """One kind in `GET /faults/kinds`."""

    summary: str
    """How the fault looks to a balancer."""
    layer: str
    """The part of the target that the fault occupies."""
    bound: dict[str, dict[str, str]]
    """Kind of health check → the family of time bounds by which it detects the fault, and the condition for that."""
    support: dict[str, str]
    """Mechanism by runtime, empty if there is none; `lacking` is the reason."""
    params: dict[str, Any]
    """JSON Schema of `params` in an order."""


class FaultKinds(BaseModel):
    """Response of `GET /faults/kinds`."""

    version: int
    quantities: dict[str, dict[str, Any]]
    """Grammar of the parameters that have units."""
    kinds: dict[str, FaultKind]


class Faults(BaseModel):
    """Response of `GET /faults`."""

    faults: list[FaultRecord]


class Healed(BaseModel):
    """Response of `POST /reset`."""

    healed: list[str]


class Clock(BaseModel):
    """Response of `GET /clock`."""

    mono: float
    unix: float


_REASONS = {
    400: "The body is not JSON, or not in UTF-8.",
    401: "No bearer token, or a wrong one.",
    403: "Sent by a page of another site, or to a host name that is not loopback.",
    404: "No such target, fault or monkey.",
    409: "A conflicting fault, a target that is down, the last healthy backend, or a stop condition that holds.",
    422: "An invalid field (kind, duration, parameter, selection), or a fault that is not possible on this host.",
    502: "The injection failed and was undone.",
    503: "Docker or the supervisor does not answer, the target was removed, a service of CHAOS_TARGETS has no "
    "container, another chaos service is attached to its project, or too many streams are open.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the error responses of one call for OpenAPI. 401 and 403 are declared once, for all calls."""
    return {status: {"model": Problem, "description": _REASONS[status]} for status in statuses}
