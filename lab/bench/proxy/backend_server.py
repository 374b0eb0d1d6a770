"""Backends of the benchmark if nginx is not installed: `GET /bytes/N` returns N bytes.

`python -m lab.bench.proxy.backend_server HOST PORT…`. Responses are cached, so a request costs little more than
parsing it and one write.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import lru_cache
from typing import cast

import httptools
import uvloop


@lru_cache(maxsize=16)
def answer(url: bytes) -> bytes:
    """Return the complete response to a request target."""
    size = url.removeprefix(b"/bytes/")
    if url == b"/health" or size.isdigit():
        body = b"x" * (int(size) if size.isdigit() else 0)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class ServedConnection(asyncio.Protocol):
    """One connection, kept open until the client closes it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for responses."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass

    def data_received(self, data: bytes) -> None:
        """Parse requests; close the connection if that fails."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_url(self, url: bytes) -> None:
        """Collect a part of the request target."""
        self._url += url

    def on_message_complete(self) -> None:
        """Respond to a complete request."""
        self._transport.write(answer(self._url))
        self._url = b""
        if not self._parser.should_keep_alive():
            self._transport.close()


async def serve(host: str, ports: list[int]) -> None:
    """Listen on every port until the process ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(ServedConnection, host, port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    """Serve on the `HOST PORT…` of the command line."""
    parser = argparse.ArgumentParser(prog="lab.bench.proxy.backend_server")
    parser.add_argument("host")
    parser.add_argument("ports", type=int, nargs="+")
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.ports))


if __name__ == "__main__":
    main()
