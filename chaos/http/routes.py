"""Routes of the HTTP API (docs/interfaces.md). They call the engine and the runtime and contain no rules."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from ..drivers.targets import Runtime
from ..engine.capabilities import capability
from ..engine.engine import Engine
from ..engine.events import EventLog
from ..engine.orders import Order, Placed, Preview
from ..engine.records import FaultRecord
from ..errors import BadRequestError, ChaosError, NoTargetsError
from ..faults import FAULTS
from ..faults.published import document
from ..inputs.validation_errors import expected
from ..monkey.monkey_runner import MonkeyRunner
from . import metrics
from .body_limits import BoundedBodies
from .event_stream import EventStream
from .monkeys import add_monkeys
from .responses import Capabilities, Clock, FaultKinds, Faults, Healed, Status, Targets, problems
from .token_middleware import AsciiResponse, Gate, error_response

DRY_RUN = Query(description="Check everything and return what would happen, without doing it.")
BEARER = HTTPBearer(auto_error=False, description="The token in `<state>/token`, or CHAOS_TOKEN.")
"""For OpenAPI only: the middleware `Gate` checks the token before routing and parsing."""


def create_app(engine: Engine, runtime: Runtime, events: EventLog, runner: MonkeyRunner, token: str) -> FastAPI:
    """Return the application, with its token check."""
    app = FastAPI(title="Reroute chaos", version="1", summary="Injects faults and heals each of them.")
    app.add_api_route("/healthz", _healthz, tags=["probes"], responses=problems(403))
    guarded = APIRouter(dependencies=[Security(BEARER)], responses=problems(401, 403))
    _add_views(guarded, engine, runtime)
    _add_faults(guarded, engine, runner)
    add_monkeys(guarded, runner)
    _add_streams(guarded, engine, events)
    app.include_router(guarded)
    _add_errors(app)
    app.add_middleware(BoundedBodies)
    app.add_middleware(Gate, token=token)
    return app


async def _healthz() -> Status:
    """Return 200 while the process runs. The only call without a token."""
    return Status(status="ok")


def _add_views(app: APIRouter, engine: Engine, runtime: Runtime) -> None:
    @app.get("/readyz", tags=["probes"], responses=problems(503))
    async def readyz() -> Status:
        """Return 503 while the runtime does not answer or lacks targets that were asked for."""
        await runtime.targets()
        if reason := await runtime.obstacle():
            raise NoTargetsError(reason)
        return Status(status="ready")

    @app.get("/clock", tags=["probes"])
    async def clock() -> Clock:
        return Clock(mono=time.monotonic(), unix=time.time())

    @app.get("/targets", tags=["views"], responses=problems(422, 503))
    async def targets(all_roles: Annotated[bool, Query(alias="all")] = False) -> Targets:
        found = await runtime.targets(all_roles=all_roles)
        infos = await asyncio.gather(*(target.info() for target in found))
        for info in infos:
            info.faults = [record.id for record in engine.unhealed() if record.target == info.name]
        return Targets(targets=list(infos), why=await runtime.obstacle())

    @app.get("/capabilities", tags=["views"], responses=problems(503))
    async def capabilities() -> Capabilities:
        faults = {kind: await capability(fault, runtime) for kind, fault in FAULTS.items()}
        return Capabilities(runtime=runtime.name, faults=faults)


def _add_faults(app: APIRouter, engine: Engine, runner: MonkeyRunner) -> None:
    @app.post(
        "/faults",
        tags=["faults"],
        status_code=201,
        responses={
            200: {"model": Preview, "description": "Dry run: what the order would do."},
            201: {"description": "A record for one target by name, all records of the order for a selection."},
            **problems(400, 404, 409, 422, 502, 503),
        },
    )
    async def inject(
        order: Order, response: Response, dry_run: Annotated[bool, DRY_RUN] = False
    ) -> FaultRecord | Placed | Preview:
        """Inject all faults of the order or none. Return when each one is injected and verified."""
        if dry_run:
            response.status_code = 200
            return await engine.preview(order)
        placed = await engine.inject(order)
        return placed.faults[0] if isinstance(order.target, str) else placed

    @app.get("/faults", tags=["faults"])
    async def faults() -> Faults:
        return Faults(faults=engine.records())

    @app.get("/faults/kinds", tags=["faults"])
    async def kinds() -> FaultKinds:
        """Return all kinds with the JSON Schema of their parameters, including those that this host cannot inject."""
        return FaultKinds.model_validate(document(FAULTS.values()))

    @app.get("/faults/{fault_id}", tags=["faults"], responses=problems(404, 422))
    async def fault(fault_id: str) -> FaultRecord:
        return engine.record(fault_id)

    @app.delete("/faults/{fault_id}", tags=["faults"], responses=problems(404, 422))
    async def heal(fault_id: str) -> FaultRecord:
        """Heal the fault and return when the target works again. A healed fault is returned unchanged."""
        return await engine.heal(fault_id)

    @app.post("/reset", tags=["faults"])
    async def reset() -> Healed:
        """Stop the monkey, then heal all faults."""
        await runner.stop_all("reset")
        return Healed(healed=await engine.reset())


def _add_streams(app: APIRouter, engine: Engine, events: EventLog) -> None:
    @app.get(
        "/events",
        tags=["views"],
        response_class=StreamingResponse,
        responses={
            200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}},
            **problems(422, 503),
        },
    )
    async def follow(since: Annotated[int, Query(ge=0)] = 0) -> StreamingResponse:
        return EventStream(events, since)

    @app.get(
        "/metrics",
        tags=["views"],
        response_class=Response,
        responses={200: {"description": "Prometheus text format.", "content": {"text/plain": {}}}},
    )
    async def prometheus() -> Response:
        return Response(metrics.render(engine), media_type=CONTENT_TYPE_LATEST)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(ChaosError)
    async def chaos_error(_: Request, error: ChaosError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return error_response(BadRequestError("; ".join(_explain(each) for each in error.errors())))

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        body = {"error": "http", "detail": str(error.detail), "possible": []}
        return AsciiResponse(body, status_code=error.status_code, headers=error.headers)


def _explain(error: Any) -> str:
    """Return the field and what was expected. The name of a union's member is left out of the field's path."""
    if error["type"] == "json_invalid":
        return f"body: not JSON at character {error['loc'][-1]}: {error['ctx']['error']}"
    if error["loc"] == ("body",):
        return "body: expected a JSON object with Content-Type: application/json"
    path = [str(each) for each in error["loc"] if each not in ("body", "one", "several", "order", "plan")]
    return f"{'.'.join(path) or 'body'}: {expected(error)}"
