"""The routes of the admin API. Each parses the request, calls the balancer, and formats the response."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from aiohttp import web

from ..config.reload import Change
from ..config.schema import Config
from ..core.backend import Backend
from ..core.bounds import bounds
from ..errors import AdminError, ConfigError, ConflictError, FixedKeyError, InvalidError
from ..telemetry.event_log import EventLog
from ..telemetry.metrics import Metrics
from ..telemetry.request_stats import Gauges
from . import changes, openapi, views
from .auth import MAX_BODY, Gate, guarded
from .json_body import body_of
from .stream import stream


class Data(Protocol):
    """The part of the data plane that the admin API uses. The data plane may be in other processes."""

    async def refresh(self) -> None:
        """Update statistics and gauges, so that the next read returns current values."""

    async def explain(self, last: int, backend: str, request_id: str) -> list[dict[str, Any]]:
        """Return the decisions about the latest requests."""

    @property
    def gauges(self) -> Gauges:
        """Return the current values."""


@dataclass(slots=True)
class Admin:
    """The handlers, and the parts that they use. `clock` is the clock whose time the balancer gets."""

    balancer: changes.Changeable
    config: Config
    """The current configuration, replaced at each reload."""
    log: EventLog
    metrics: Metrics
    data: Data
    clock: Callable[[], float]
    reread: Callable[[bool], Awaitable[Sequence[Change]]]
    """Reloads the configuration. Argument: whether backends that discovery does not name are removed at once."""
    version: str = "unreleased"
    held: Callable[[], Mapping[str, float]] = dict
    """Latest time of removal of each backend that is kept although discovery no longer names it, by id."""

    def app(self) -> web.Application:
        """Return the application, to be served on the admin address."""
        token = self.config.admin.token
        gate = Gate(self.config.admin.listen, token.get_secret_value() if token else "")
        guard = guarded(gate, lambda: self.config.admin.hosts)
        app = web.Application(middlewares=[errors_as_json, guard], client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/healthz", self.healthz),
                web.get("/readyz", self.readyz),
                web.get("/clock", self.clock_reading),
                web.get("/backends", self.backends),
                web.post("/backends", self.add),
                web.put("/backends/{id}", self.adjust),
                web.delete("/backends/{id}", self.remove),
                web.put("/policy", self.change_policy),
                web.post("/reload", self.reload),
                web.get("/decisions", self.show_decisions),
                web.get("/config", self.show_config),
                web.get("/bounds", self.show_bounds),
                web.get("/events", self.events),
                web.get("/metrics", self.show_metrics),
                web.get("/openapi.json", self.describe),
            ]
        )
        return app

    async def healthz(self, _: web.Request) -> web.Response:
        """Return 200 while the process runs."""
        return web.json_response({"status": "ok"})

    async def readyz(self, _: web.Request) -> web.Response:
        """Return 200 if a backend is usable and every backend has been probed, else 503."""
        reason = views.unready(self.balancer)
        return web.json_response({"ready": not reason, "reason": reason or None}, status=503 if reason else 200)

    async def clock_reading(self, _: web.Request) -> web.Response:
        """Return monotonic and wall-clock time of one moment, so that other processes can convert times."""
        return web.json_response({"mono": time.monotonic(), "unix": time.time()})

    async def backends(self, _: web.Request) -> web.Response:
        """Return all backends with their states."""
        await self.data.refresh()
        return web.json_response(views.backends(self.balancer, self.data.gauges.in_flight, self.clock(), self.held()))

    async def add(self, request: web.Request) -> web.Response:
        """Add a backend that discovery does not name."""
        addition = changes.parse(changes.Addition, await body_of(request))
        backend = changes.add(self.balancer, addition, self.clock())
        return web.json_response(self._shown(backend), status=201)

    async def adjust(self, request: web.Request) -> web.Response:
        """Change weight or state of a backend: drain, maintenance, or back to service."""
        adjustment = changes.parse(changes.Adjustment, await body_of(request))
        backend = changes.adjust(self.balancer, request.match_info["id"], adjustment, self.clock())
        return web.json_response(self._shown(backend))

    async def remove(self, request: web.Request) -> web.Response:
        """Drain, then remove a backend. `force` may be in the query, because many clients send no body with DELETE."""
        body = await body_of(request) if request.can_read_body else dict(request.query)
        removal = changes.parse(changes.Removal, body)
        backend = changes.remove(self.balancer, request.match_info["id"], removal, self.clock())
        return web.json_response(self._shown(backend))

    async def change_policy(self, request: web.Request) -> web.Response:
        """Use another policy from the next request on."""
        change = changes.parse(changes.PolicyChange, await body_of(request))
        return web.json_response({"policy": changes.use_policy(self.balancer, change)})

    async def reload(self, request: web.Request) -> web.Response:
        """Read the configuration again and apply it, completely or not at all."""
        try:
            changed = await self.reread(changes.parse(changes.ReloadQuery, dict(request.query)).force)
        except FixedKeyError as error:
            raise ConflictError("; ".join(error.problems)) from error
        except ConfigError as error:
            raise InvalidError("; ".join(error.problems)) from error
        return web.json_response({"changed": [change._asdict() for change in changed]})

    async def show_decisions(self, request: web.Request) -> web.Response:
        """Return the decisions about the latest requests, newest first."""
        query = changes.parse(changes.DecisionQuery, dict(request.query))
        shown = await self.data.explain(query.last, query.backend, query.id)
        return web.json_response({"decisions": shown})

    def _shown(self, backend: Backend) -> dict[str, Any]:
        return views.backend(backend, self.data.gauges.in_flight, self.clock(), self.held())

    async def describe(self, request: web.Request) -> web.Response:
        """Return this API as an OpenAPI document."""
        return web.json_response(openapi.document(request.app, self.version))

    async def show_config(self, _: web.Request) -> web.Response:
        """Return the current configuration, every value with its unit."""
        return web.json_response({**self.config.printable(), "policy": self.balancer.policy})

    async def show_bounds(self, _: web.Request) -> web.Response:
        """Return the time bounds of the current configuration for each kind of fault."""
        return web.json_response({"bounds": [asdict(bound) for bound in bounds(self.config.core_settings())]})

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream the events as server-sent events."""
        return await stream(request, self.log)

    async def show_metrics(self, _: web.Request) -> web.Response:
        """Return all metrics in Prometheus' text format."""
        await self.data.refresh()
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self.metrics.exposition(), headers=headers)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn every error into a response with the body `{"error": code, "detail": text}`."""
    try:
        return await handler(request)
    except AdminError as error:
        # RFC 9110 §11.6.1: a 401 must have WWW-Authenticate.
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        body = {"error": error.code, "detail": str(error)}
        return web.json_response(body, status=error.status, headers=headers)
    except web.HTTPException as error:
        code = error.reason.lower().replace(" ", "_")
        body = {"error": code, "detail": f"{request.method} {request.path}: {error.reason.lower()}"}
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return web.json_response(body, status=error.status, headers=headers)
