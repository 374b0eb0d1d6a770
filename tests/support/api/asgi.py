"""Call an ASGI app as a function: no server, no socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message


@dataclass(slots=True)
class Answer:
    """What the app sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: ASGIApp, method: str, target: str, *, pieces: tuple[bytes, ...] = (b"",), headers: dict[str, str] | None = None
) -> Answer:
    """Send one request whose body arrives in `pieces`, and collect the whole answer."""
    answer, parts, waiting = Answer(), urlsplit(target), list(pieces)

    async def receive() -> Message:
        if not waiting:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    await app(scope, receive, send)
    return answer


async def call_json(app: ASGIApp, method: str, target: str, body: object, **headers: str) -> Answer:
    """Send `body` as JSON; header names are given with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(
        app, method, target, pieces=(json.dumps(body).encode(),), headers={"content-type": "application/json", **named}
    )
