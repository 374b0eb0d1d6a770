"""The bench's backends where nginx is missing: `GET /bytes/N` answers N bytes.

`python -m lab.bench.proxy.backend_server HOST PORT…`. Every answer is made beforehand, so a request
costs little more than parsing it and one write.
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
    """The whole response to a target."""
    size = url.removeprefix(b"/bytes/")
    if url == b"/health" or size.isdigit():
        body = b"x" * (int(size) if size.isdigit() else 0)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Serving(asyncio.Protocol):
    """One connection, kept open for as long as the client wants."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        """Requests, or garbage, which ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        self._url += url

    def on_message_complete(self) -> None:
        """The request, body included, is here."""
        self._transport.write(answer(self._url))
        self._url = b""
        if not self._parser.should_keep_alive():
            self._transport.close()


async def serve(host: str, ports: list[int]) -> None:
    """Listen on every port until the process ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Serving, host, port, backlog=4096) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    """`HOST PORT…`"""
    parser = argparse.ArgumentParser(prog="lab.bench.proxy.backend_server")
    parser.add_argument("host")
    parser.add_argument("ports", type=int, nargs="+")
    options = parser.parse_args()
    uvloop.run(serve(options.host, options.ports))


if __name__ == "__main__":
    main()
