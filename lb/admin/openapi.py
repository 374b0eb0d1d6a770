"""`GET /openapi.json`, generated from the application's routes, so that it is always complete and correct."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from . import changes

BODIES: dict[tuple[str, str], type[BaseModel]] = {
    ("POST", "/backends"): changes.Addition,
    ("PUT", "/backends/{id}"): changes.Adjustment,
    ("DELETE", "/backends/{id}"): changes.Removal,
    ("PUT", "/policy"): changes.PolicyChange,
}
"""Model of each route's body. Routes without an entry have no body."""


def _parameters(model: type[BaseModel]) -> dict[str, Any]:
    return dict(model.model_json_schema()["properties"])


QUERIES: dict[tuple[str, str], dict[str, Any]] = {
    ("GET", "/events"): {"since": {"type": "integer", "minimum": 0}},
    ("GET", "/decisions"): _parameters(changes.DecisionQuery),
    ("POST", "/reload"): _parameters(changes.ReloadQuery),
    ("DELETE", "/backends/{id}"): _parameters(changes.Removal),
}
"""Schema of each parameter in a route's query, by name. Routes without an entry have no parameters."""
_MEDIA = {"/metrics": "text/plain", "/events": "text/event-stream"}
_READ_ONLY = "get"
_CREATING = {("POST", "/backends")}


def document(app: web.Application, version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the application."""
    keys, definitions = models_json_schema(
        [(model, "validation") for model in BODIES.values()], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for method, path, handler in routes(app):
        schema = keys[BODIES[method, path], "validation"] if (method, path) in BODIES else None
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, handler, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reroute balancer: admin API", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Error": _ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _TOKEN}},
        },
    }


def routes(app: web.Application) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """Yield method, path and handler of each route, without the HEAD that aiohttp adds to each GET."""
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield route.method, route.resource.canonical, route.handler


def _operation(method: str, path: str, handler: Callable[..., Any], schema: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": handler.__name__,
        "summary": (inspect.getdoc(handler) or "").partition("\n")[0],
        "parameters": [*_in_path(path), *_in_query(method, path)],
        "responses": {
            "201" if (method, path) in _CREATING else "200": {
                "description": "Done" if method != "GET" else "Current state",
                "content": {_MEDIA.get(path, "application/json"): {}},
            },
            "default": {"description": "Refused, with the reason", "content": {"application/json": _ERROR_REF}},
        },
    }
    if schema is not None:
        required = method != "DELETE"  # many clients send no body with DELETE
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    if method.lower() != _READ_ONLY:
        operation["security"] = [{"token": []}, {}]
    return operation


def _in_path(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _in_query(method: str, path: str) -> Iterator[dict[str, Any]]:
    for name, schema in QUERIES.get((method, path), {}).items():
        yield {"name": name, "in": "query", "schema": schema}


_TOKEN = "`admin.token`; changes need it if it is configured or the admin address is not loopback"
_ERROR_REF = {"schema": {"$ref": "#/components/schemas/Error"}}
_ERROR = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {"error": {"type": "string"}, "detail": {"type": "string"}},
}
