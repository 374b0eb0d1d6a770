"""The FastAPI application around one replica."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .bodies import BoundedBodies
from .errors import RefusedError
from .head import HeadMiddleware
from .metrics import MeterMiddleware
from .misbehave import MisbehaviourMiddleware
from .prefix import PrefixMiddleware
from .replica import Replica
from .routes import router as calls
from .streams import router as streams

DESCRIPTION = """
A backend replica of the Reroute lab. It does dummy work, keeps a ledger of the jobs that it executed, and misbehaves
on request. Every answer names the replica in `X-Instance`.
"""


def create_app(replica: Replica, prefix: str = "") -> FastAPI:
    """Return the app with all routes and middlewares. It closes `replica` when it shuts down.

    Each route also exists below `prefix`, for a balancer that forwards only such paths.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        replica.close()

    app = FastAPI(title="Reroute backend", version="1", description=DESCRIPTION, lifespan=lifespan)
    app.state.replica = replica
    app.include_router(calls)
    app.include_router(streams)
    app.add_exception_handler(RefusedError, _refuse)
    app.add_exception_handler(RequestValidationError, _explain)
    app.add_exception_handler(HTTPException, _deny)
    app.add_middleware(BoundedBodies)
    app.add_middleware(MisbehaviourMiddleware, conduct=replica.conduct, rng=replica.rng)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(MeterMiddleware, metrics=replica.metrics, in_flight=replica.in_flight, load=replica.load_line)
    if prefix:
        app.add_middleware(PrefixMiddleware, prefix=prefix)
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    refusal, replica = cast(RefusedError, error), cast(Replica, request.app.state.replica)
    replica.metrics.refused.labels(refusal.code).inc()
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else None  # RFC 9110 §11.6.1
    return JSONResponse({"error": refusal.code}, refusal.status, headers)


async def _explain(request: Request, error: Exception) -> Response:
    """Answer 422 as FastAPI does, but without the input, which may not be valid JSON (NaN, an unpaired surrogate)."""
    problems = cast(RequestValidationError, error).errors()
    told = [{"type": one["type"], "loc": [str(part) for part in one["loc"]], "msg": one["msg"]} for one in problems]
    text = json.dumps({"error": "invalid", "detail": told})  # in ASCII, so that an unpaired surrogate is escaped
    return Response(text, 422, media_type="application/json")


async def _deny(_: Request, error: Exception) -> Response:
    """Answer errors of the framework itself, such as an unknown path, in the form of all other errors."""
    denied = cast(HTTPException, error)
    return JSONResponse({"error": "http", "detail": denied.detail}, denied.status_code, denied.headers)
