"""Routes with small JSON bodies: health, identity, work, jobs, ledger, misbehaviour, metrics."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .models import (
    MAX_BYTES,
    MAX_CPU_MS,
    MAX_SLEEP_MS,
    Health,
    Job,
    JobDone,
    LedgerEntry,
    LedgerPage,
    Misbehaviour,
    MisbehaviourState,
    Refused,
    Unhealthy,
    WhoAmI,
    WorkDone,
)
from .replica import Here, Replica
from .work import Deadline, perform

router = APIRouter()

PAST_DEADLINE: dict[int | str, dict[str, Any]] = {
    504: {
        "model": Refused,
        "description": "`X-Deadline` has passed; the request was not executed",
        "content": {"application/json": {"example": {"error": "deadline_passed"}}},
    }
}
BEARER = HTTPBearer(auto_error=False, description="API_MISBEHAVE_TOKEN, or the content of API_MISBEHAVE_TOKEN_FILE.")
_CHUNK = bytes(64 * 1024)


async def _deadline_of(
    x_deadline: Annotated[
        float | None,
        Header(
            allow_inf_nan=False,
            description="Unix time, s, after which the client no longer waits",
            examples=["1790000000.250"],
        ),
    ] = None,
) -> Deadline:
    return Deadline(x_deadline)


Due = Annotated[Deadline, Depends(_deadline_of)]


@router.get(
    "/health",
    summary="Health check",
    tags=["identity"],
    responses={503: {"model": Health, "description": "Unhealthy (mode `unhealthy`)"}},
)
async def health(replica: Here, response: Response) -> Health:
    """Return 200 if healthy, else 503, both with the current load. The balancer probes this path."""
    healthy = not isinstance(replica.conduct.mode, Unhealthy)
    if not healthy:
        response.status_code = 503
    return Health(status="ok" if healthy else "unhealthy", instance=replica.instance, load=replica.load())


@router.get("/whoami", summary="Which process answers", tags=["identity"])
async def whoami(replica: Here, request: Request) -> WhoAmI:
    """Return name, process and address of the replica, and the request's header fields as it received them."""
    host, port = request.scope["server"]
    return WhoAmI(
        instance=replica.instance,
        pid=os.getpid(),
        address=f"{host}:{port}",
        started_mono=replica.started_mono,
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
    )


@router.get(
    "/work",
    summary="Do dummy work",
    tags=["work"],
    response_model=WorkDone,
    responses={
        200: {
            "description": "Done. With `bytes`, the body is that many zero bytes instead of JSON",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **PAST_DEADLINE,
    },
)
async def work(
    replica: Here,
    deadline: Due,
    cpu_ms: Annotated[float, Query(ge=0, le=MAX_CPU_MS, description="CPU time to burn, ms", examples=[5])] = 0,
    sleep_ms: Annotated[float, Query(ge=0, le=MAX_SLEEP_MS, description="Time to sleep, ms", examples=[20])] = 0,
    size: Annotated[
        int | None, Query(alias="bytes", ge=0, le=MAX_BYTES, description="Answer with this many bytes")
    ] = None,
    close: Annotated[bool, Query(description="End the connection after the answer")] = False,
) -> Response:
    """Burn CPU, then sleep, then answer."""
    took = await perform(replica.burner, cpu_ms / 1000, sleep_ms / 1000, deadline)
    headers = {"connection": "close"} if close else {}
    if size is not None:
        headers["content-length"] = str(size)
        return StreamingResponse(_zeros(size), media_type="application/octet-stream", headers=headers)
    done = WorkDone(instance=replica.instance, cpu_ms=cpu_ms, sleep_ms=sleep_ms, took_ms=round(took * 1000, 3))
    return Response(done.model_dump_json(), media_type="application/json", headers=headers)


async def _zeros(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, len(_CHUNK)):
        yield _CHUNK[: size - start]


@router.post(
    "/jobs",
    summary="Execute a job and record it in the ledger",
    tags=["work"],
    status_code=201,
    responses={
        **PAST_DEADLINE,
        507: {"model": Refused, "description": "The ledger cannot be written, so the job does not count as executed"},
    },
)
async def execute(replica: Here, deadline: Due, job: Job) -> JobDone:
    """Do the work, append the id to the ledger, then answer.

    The line in the ledger is the job's effect. Therefore the deadline is checked before the work and again right before
    the line, because the process may have been paused during the work and resumed after the deadline.
    """
    await perform(replica.burner, job.cpu_ms / 1000, job.sleep_ms / 1000, deadline)
    deadline.check()
    replica.ledger.append(job.id, time.monotonic(), time.time())
    replica.metrics.jobs.inc()
    return JobDone(id=job.id, instance=replica.instance)


@router.get("/ledger", summary="Who executed what", tags=["work"])
def ledger(
    replica: Here,
    prefix: Annotated[str, Query(max_length=200, description="Only ids with this prefix", examples=["run-7/"])] = "",
) -> LedgerPage:
    """Return executions by all instances that share the ledger folder, oldest first."""
    return LedgerPage(entries=[LedgerEntry.model_validate(entry) for entry in replica.ledger.entries(prefix)])


async def _may_order(replica: Here, sent: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]) -> None:
    replica.orders.check(sent.credentials if sent else None)


@router.put(
    "/misbehave",
    summary="Misbehave from now on",
    tags=["misbehaviour"],
    dependencies=[Depends(_may_order)],
    responses={
        401: {"model": Refused, "description": "No token, or not the replica's"},
        403: {"model": Refused, "description": "The replica has no token and accepts no orders"},
    },
)
async def misbehave(replica: Here, mode: Misbehaviour) -> MisbehaviourState:
    """Replace the current mode. A duration counts from now. `cold` begins with the replica's next start."""
    replica.behave(mode)
    return _state(replica)


@router.get("/misbehave", summary="The current mode", tags=["misbehaviour"])
async def misbehaviour(replica: Here) -> MisbehaviourState:
    """Return the current mode, `ok` if none was set or its duration has ended."""
    return _state(replica)


def _state(replica: Replica) -> MisbehaviourState:
    mode = replica.conduct.mode
    remaining = replica.conduct.remaining_s or None
    return MisbehaviourState.model_validate({**mode.model_dump(), "remaining_s": remaining})


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    tags=["identity"],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(replica: Here) -> Response:
    """Return all metrics in Prometheus' text format."""
    return Response(replica.metrics.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")
