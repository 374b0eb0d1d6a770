"""Models of all request and response bodies, for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_CPU_MS = 10_000
MAX_SLEEP_MS = 60_000
MAX_BYTES = 64 * 1024 * 1024

CpuMs = Annotated[float, Field(ge=0, le=MAX_CPU_MS, description="CPU time to burn, ms", examples=[5])]
SleepMs = Annotated[float, Field(ge=0, le=MAX_SLEEP_MS, description="Time to sleep, ms", examples=[20])]
Instance = Annotated[str, Field(description="Name of the replica that answered", examples=["api-1"])]


class Load(BaseModel):
    """The load of the replica."""

    in_flight: int = Field(description="Requests being served, this one included", examples=[3])
    cpu: float = Field(ge=0, le=1, description="Share of the available processors used over the last second")
    uptime_s: float = Field(description="Seconds since the process started")


class Health(BaseModel):
    """The response to a health check."""

    status: Literal["ok", "unhealthy"]
    instance: Instance
    load: Load


class WhoAmI(BaseModel):
    """The process that answered, and the request as it received it."""

    instance: Instance
    pid: int
    address: str = Field(description="The local address of this connection", examples=["10.0.0.5:8000"])
    started_mono: float = Field(description="The process' monotonic clock when it started, s")
    headers: list[tuple[str, str]] = Field(description="All header fields in order, names in lower case")


class WorkDone(BaseModel):
    """The response to dummy work."""

    instance: Instance
    cpu_ms: CpuMs
    sleep_ms: SleepMs
    took_ms: float = Field(description="Wall time from start of execution, ms")


class Job(BaseModel):
    """A unit of work with an id that the client chose."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"id": "run-7/42", "cpu_ms": 0, "sleep_ms": 5}]}
    )

    id: str = Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$", description="Unique id")
    cpu_ms: CpuMs = 0
    sleep_ms: SleepMs = 0


class JobDone(BaseModel):
    """The job was executed and is in the ledger."""

    id: str
    instance: Instance


class LedgerEntry(BaseModel):
    """One execution of a job."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    instance: Instance
    mono: float = Field(description="Monotonic clock of the process that executed it, s")
    unix: float = Field(description="Wall clock at that moment, s")


class LedgerPage(BaseModel):
    """Executions by all instances, oldest first."""

    entries: list[LedgerEntry]


class Refused(BaseModel):
    """The reason why the request was not executed."""

    error: Literal["deadline_passed", "misbehave_disabled", "misbehaving", "unauthorized", "unwritable_ledger"]


class _Mode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    duration_s: float | None = Field(
        default=None, gt=0, le=3600, allow_inf_nan=False, description="Return to `ok` after this time, s"
    )


FailStatus = Annotated[int, Field(ge=500, le=599, description="Status to fail with")]


class Ok(_Mode):
    """Behave normally."""

    mode: Literal["ok"] = "ok"


class Error(_Mode):
    """Fail a share of all requests, including health checks."""

    mode: Literal["error"]
    rate: float = Field(default=1.0, ge=0, le=1, description="Share of requests that fail")
    status: FailStatus = 500


class Slow(_Mode):
    """Delay every request, including health checks."""

    mode: Literal["slow"]
    delay_ms: float = Field(gt=0, le=MAX_SLEEP_MS, description="Added before anything else happens, ms")


class Cold(_Mode):
    """Delay every request after the next start of the replica, health checks included, as with cold caches.

    The delay decreases linearly to zero within the duration, which counts from that start.
    """

    mode: Literal["cold"]
    delay_ms: float = Field(gt=0, le=MAX_SLEEP_MS, description="Delay right after the start, ms")
    duration_s: float = Field(gt=0, le=3600, allow_inf_nan=False, description="Time until the delay is zero, s")


class Hang(_Mode):
    """Accept every request, including health checks, and answer none until the mode ends."""

    mode: Literal["hang"]


class Unhealthy(_Mode):
    """Fail health checks with 503 and serve all other requests."""

    mode: Literal["unhealthy"]


class Lie(_Mode):
    """Pass health checks and fail all other requests."""

    mode: Literal["lie"]
    status: FailStatus = 500


Misbehaviour = Annotated[Ok | Error | Slow | Cold | Hang | Unhealthy | Lie, Field(discriminator="mode")]


class MisbehaviourState(BaseModel):
    """The current mode with its fields, and how long it still lasts."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [{"mode": "error", "rate": 0.5, "status": 500, "duration_s": 5, "remaining_s": 4.2}]
        },
    )

    mode: Literal["ok", "error", "slow", "cold", "hang", "unhealthy", "lie"]
    remaining_s: float | None = Field(description="Time until it ends, s; null if it has no end")
