"""The HTTP API (contract: docs/interfaces.md). Thin: it asks the engine and the runtime, and shapes the answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from chaos import metrics
from chaos.engine import Engine, Order
from chaos.errors import BadRequestError, ChaosError
from chaos.events import EventLog
from chaos.faults import FAULTS, AnyFault
from chaos.gate import Gate, error_response
from chaos.records import FaultRecord
from chaos.targets import Capability, LinkTarget, Runtime, TargetInfo

KEEP_ALIVE_S = 15.0
"""A comment line this often, so that a quiet event stream is not taken for a dead one."""


class Problem(BaseModel):
    """Every error's body."""

    error: str
    detail: str
    possible: list[str]


class Targets(BaseModel):
    """`GET /targets`."""

    targets: list[TargetInfo]


class Capabilities(BaseModel):
    """`GET /capabilities`."""

    runtime: str
    faults: dict[str, Capability]


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


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (401, 403, 404, 409, 422, 501, 502, 503)
}


def create_app(engine: Engine, runtime: Runtime, events: EventLog, token: str) -> FastAPI:
    """The application, behind its gate."""
    app = FastAPI(title="Reroute chaos", version="1", responses=PROBLEMS)
    _add_probes(app, runtime)
    _add_views(app, engine, runtime)
    _add_faults(app, engine)
    _add_streams(app, engine, events)
    _add_errors(app)
    app.add_middleware(Gate, token=token)
    return app


def _add_probes(app: FastAPI, runtime: Runtime) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        """503 while the runtime does not answer."""
        await runtime.targets()
        return {"status": "ready"}

    @app.get("/clock")
    async def clock() -> Clock:
        return Clock(mono=time.monotonic(), unix=time.time())


def _add_views(app: FastAPI, engine: Engine, runtime: Runtime) -> None:
    @app.get("/targets")
    async def targets(all_roles: Annotated[bool, Query(alias="all")] = False) -> Targets:
        found = await runtime.targets(all_roles=all_roles)
        infos = await asyncio.gather(*(target.info() for target in found))
        for info in infos:
            info.faults = [record.id for record in engine.owed() if record.target == info.name]
        return Targets(targets=list(infos))

    @app.get("/capabilities")
    async def capabilities() -> Capabilities:
        faults = {kind: await _capability(fault, runtime) for kind, fault in FAULTS.items()}
        return Capabilities(runtime=runtime.name, faults=faults)


async def _capability(fault: AnyFault, runtime: Runtime) -> Capability:
    if fault.needs is LinkTarget:
        return await runtime.link_capability(fault.kind)
    return Capability(possible=True, mechanism=fault.mechanism)


def _add_faults(app: FastAPI, engine: Engine) -> None:
    @app.post("/faults", status_code=201)
    async def inject(order: Order) -> FaultRecord:
        """Answers once the fault is injected and verified."""
        return await engine.inject(order)

    @app.get("/faults")
    async def faults() -> Faults:
        return Faults(faults=engine.records())

    @app.get("/faults/{fault_id}")
    async def fault(fault_id: str) -> FaultRecord:
        return engine.record(fault_id)

    @app.delete("/faults/{fault_id}")
    async def heal(fault_id: str) -> FaultRecord:
        """Answers once the target was seen to work; a healed fault stays as it is."""
        return await engine.heal(fault_id)

    @app.post("/reset")
    async def reset() -> Healed:
        return Healed(healed=await engine.reset())


def _add_streams(app: FastAPI, engine: Engine, events: EventLog) -> None:
    @app.get("/events", response_class=StreamingResponse)
    async def follow(since: Annotated[int, Query(ge=0)] = 0) -> StreamingResponse:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_sse(events, since), media_type="text/event-stream", headers=headers)

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        return Response(metrics.render(engine), media_type=CONTENT_TYPE_LATEST)


async def _sse(events: EventLog, since: int) -> AsyncIterator[str]:
    """The event log as server-sent events (WHATWG HTML §9.2)."""
    yield ": reroute\n\n"  # lets the client's request return before the first event
    async for event in events.follow(since, idle_s=KEEP_ALIVE_S):
        if event is None:
            yield ": still here\n\n"
        else:
            yield f"id: {event['seq']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ChaosError)
    async def chaos_error(_: Request, error: ChaosError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return error_response(BadRequestError(problems, possible=sorted(Order.model_fields)))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        body = {"error": "http", "detail": str(error.detail), "possible": []}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)
