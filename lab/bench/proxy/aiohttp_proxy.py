"""A plain proxy on aiohttp's public server and client, as a reference for the benchmark.

`python -m lab.bench.proxy.aiohttp_proxy`. Round robin, streaming in both directions, pooled connections; no health
checks, no retries.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
from itertools import cycle

import aiohttp
import uvloop
from aiohttp import web

# RFC 9110 §7.6.1: fields of one connection, not of the message. Content-Length stays: bodies keep their framing.
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CHUNK = 64 * 1024


class Proxy:
    """Forwards every request to the next backend."""

    def __init__(self, backends: Sequence[str]) -> None:
        self._backends = cycle(backends)

    async def session(self, _app: web.Application) -> AsyncIterator[None]:
        """Provide the HTTP client while the server runs."""
        self._client = aiohttp.ClientSession(
            # Both defaults would limit the load: 100 connections in total, and a cookie jar that all users share.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=5.0, sock_connect=0.25),
        )
        yield
        await self._client.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward one request; return 502 if the backend fails before it answers."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
        body = request.content.iter_chunked(_CHUNK) if request.can_read_body else None
        url = f"http://{next(self._backends)}{request.raw_path}"
        try:
            call = self._client.request(request.method, url, headers=headers, data=body, allow_redirects=False)
            async with call as upstream:
                return await self._answer(request, upstream)
        except (aiohttp.ClientConnectionError, TimeoutError):
            return web.Response(status=502)

    async def _answer(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
        for name, value in upstream.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in upstream.content.iter_chunked(_CHUNK):
            await response.write(chunk)
        await response.write_eof()
        return response


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="lab.bench.proxy.aiohttp_proxy")
    parser.add_argument("--listen", required=True, help="HOST:PORT")
    parser.add_argument("backends", nargs="+", help="HOST:PORT")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    proxy = Proxy(options.backends)
    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(proxy.session)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    # The same event loop as in our balancer, so that only the code on top of it is compared.
    web.run_app(app, host=host, port=int(port), access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
