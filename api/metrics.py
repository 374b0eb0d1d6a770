"""Prometheus metrics of one replica, in a separate registry, so that a test process can have several replicas."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .load import InFlight

PATHS = frozenset(
    {"/health", "/whoami", "/work", "/echo", "/stream", "/ws", "/jobs", "/ledger", "/misbehave", "/metrics"}
)
"""Values of the label `path`. Other paths share one value, so that a scan for random paths cannot fill the registry."""


class Metrics:
    """All metrics of one replica."""

    def __init__(self, in_flight: InFlight) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "api_requests", "Requests answered, by path and status", ["path", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "api_request_seconds", "Time from the request's head to the last byte, s", ["path"], registry=self._registry
        )
        self.jobs = Counter("api_jobs_executed", "Jobs appended to the ledger", registry=self._registry)
        self.refused = Counter("api_refused", "Requests not executed, by reason", ["reason"], registry=self._registry)
        Gauge("api_in_flight", "Requests being served", registry=self._registry).set_function(lambda: in_flight.count)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class MeterMiddleware:
    """Counts every request and adds `X-Load` to every response. It is the outermost middleware, so that it also counts
    the responses of misbehaviour."""

    def __init__(self, app: ASGIApp, metrics: Metrics, in_flight: InFlight, load: Callable[[], bytes]) -> None:
        """`load` returns the current value of `X-Load`."""
        self._app = app
        self._metrics = metrics
        self._in_flight = in_flight
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and count it by status. Status 0: the client left, or it was a WebSocket."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        started, status = time.monotonic(), 0

        async def noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"x-load", self._load())]}
            await send(message)

        try:
            with self._in_flight.one_more():
                await self._app(scope, receive, noting_status)
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._metrics.requests.labels(path, status).inc()
            self._metrics.seconds.labels(path).observe(time.monotonic() - started)
        return None
