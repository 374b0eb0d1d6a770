"""A control port on loopback: authentication, limits on bodies and connections, and the format of errors.

Its only clients are the lab's own processes. Every call needs the token. The `Host` must be a loopback name, which
excludes web pages whose name was made to resolve to this address. Requests with an `Origin` are refused.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NoReturn, cast

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .ports import LOOPBACK

MAX_BODY: Final = 64 * 1024
"""Maximum size of a body in bytes. The largest useful call, a start with another environment, has a few KiB."""
MAX_DEPTH: Final = 16
"""Maximum nesting of lists and objects. No call needs more than 2; the parser's stack overflows at about 1,000."""
MOST_CONNECTIONS: Final = 256
"""Maximum number of open connections, as for the other APIs. The chaos service and the `lab` command need a few."""
IDLE_S: Final = 75.0
"""Seconds without a complete request head, however many bytes of a head come. aiohttp's own default is an hour."""
BODY_S: Final = 10.0
"""Seconds until a body must be complete, however steadily bytes come. The other APIs have the same limit."""
LINGER_S: Final = 1.0
"""Seconds for which the rest of a refused body is read, so that its sender can read the response; then the connection
is closed."""
_BODY: Final = json.dumps({"error": "too_many", "detail": f"{MOST_CONNECTIONS} connections are open"}).encode()
_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class CallError(Exception):
    """A refused call. The response has `status` and the body `{"error": code, "detail": text}`."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def application(token: str) -> web.Application:
    """Return an application without routes. The checks apply to every route that is added."""
    return web.Application(middlewares=[_guarded(token)], client_max_size=MAX_BODY)


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[int]:
    """Serve on loopback for the length of the context, which gets the port. Raise `OSError` if it is in use."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, keepalive_timeout=IDLE_S, lingering_time=LINGER_S)
    await runner.setup()
    server = runner.server
    assert server is not None

    def protocol() -> asyncio.Protocol:
        return _Bounded(lambda: len(server.connections), lambda: cast(asyncio.Protocol, server()))

    listener = await asyncio.get_running_loop().create_server(protocol, LOOPBACK, port)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await runner.cleanup()


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of a call, empty if it has no body. Raise `CallError` if the body is invalid."""
    if "Content-Encoding" in request.headers:
        raise CallError(400, "bad_json", "body: expected no Content-Encoding")
    try:
        async with asyncio.timeout(BODY_S):
            received = await request.read()
        body = json.loads(received or b"{}")
    except TimeoutError as error:
        raise CallError(408, "late", f"body: not complete after {BODY_S:g} s") from error
    except ValueError as error:
        raise CallError(400, "bad_json", f"body: not JSON: {error}") from error
    except RecursionError:
        _refuse_depth()
    if _is_deep(body):
        _refuse_depth()
    if not isinstance(body, dict):
        raise CallError(400, "bad_json", "body: expected an object")
    return body


def _refuse_depth() -> NoReturn:
    raise CallError(400, "too_deep", f"body: nested deeper than {MAX_DEPTH} levels") from None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        nested = [each for each in level if isinstance(each, list | dict)]
        if not nested:
            return False
        level = [child for each in nested for child in (each.values() if isinstance(each, dict) else each)]
    return True


def _guarded(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    def check(request: web.Request) -> None:
        hosts = request.headers.getall("Host", [])
        if len(hosts) != 1 or hosts[0].rpartition(":")[0] not in (LOOPBACK, "localhost"):
            raise CallError(403, "forbidden", f"Host {', '.join(hosts)[:80]!r}: expected {LOOPBACK} and the port")
        if "Origin" in request.headers:
            raise CallError(403, "forbidden", "requests of web pages are not served")
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            raise CallError(401, "unauthorized", "a bearer token is needed")

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check(request)
            return await handler(request)
        except CallError as error:
            headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}  # RFC 9110 §11.6.1
            body = {"error": error.code, "detail": str(error)}
            return web.json_response(body, status=error.status, headers=headers)
        except web.HTTPException as error:
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            body = {"error": error.reason.lower().replace(" ", "_"), "detail": error.reason}
            return web.json_response(body, status=error.status, headers=headers)

    return guard


class _Bounded(asyncio.Protocol):
    """Passes a connection to the server's own protocol, or refuses it if there are too many.

    The decision is made in `connection_made`: the event loop accepts all connections of a burst, and creates a protocol
    for each, before the first of them is counted.
    """

    def __init__(self, connections: Callable[[], int], serve: Callable[[], asyncio.Protocol]) -> None:
        self._connections = connections
        self._serve = serve

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connections before anything is read."""
        made = cast(asyncio.Transport, transport)
        if self._connections() >= MOST_CONNECTIONS:
            made.write(_REFUSAL)
            made.close()
            return
        protocol = self._serve()
        made.set_protocol(protocol)
        protocol.connection_made(made)
