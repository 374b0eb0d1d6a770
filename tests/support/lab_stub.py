"""A tiny HTTP/1.1 server for traffic to hit: answers at once, or when its gate opens, or badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Instance: stub\r\nX-Backend: b-1\r\nX-Tried: b-0, b-1\r\n\r\nok"


class Stub:
    """Counts what arrives; `gate` holds back answers while it is cleared; `answer` is sent as it is."""

    def __init__(self) -> None:
        self.answer = OK
        self.gate = asyncio.Event()
        self.gate.set()
        self.heads: list[bytes] = []
        self.connections = 0
        self.hang_up = False
        """End the connection after the answer (or instead of it, when the answer is empty)."""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await self._request(reader))
                await self.gate.wait()
                writer.write(self.answer)
                if self.hang_up:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                head += await reader.readexactly(int(line.split(b":")[1]))
        return head


@asynccontextmanager
async def stub_server() -> AsyncIterator[Stub]:
    stub = Stub()
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, backlog=2048)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
