"""Ordinary clients in a process of their own: `python -m tests.support.ordinary_clients SECONDS RATE PORT…`.

They ask each port in turn, so often a second, on schedule whatever happens to earlier requests. Printed is one JSON
object: for each port the seconds that each answer took, and the answers that were none.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

REQUEST = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
ANEW = 5
"""Every so many requests a client hangs up, so that new connections are measured, too."""
PATIENCE_S = 10.0


class Clients:
    """Those of one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.took: list[float] = []
        self.failed: list[str] = []
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._ask()
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(repr(error))
        self.took.append(time.monotonic() - started)

    async def _ask(self) -> None:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200 "):
            await reader.readexactly(2)
        else:
            self.failed.append(head.decode("latin-1"))
        if len(self.took) % ANEW and not self.failed:
            self._idle.append((reader, writer))
        else:
            writer.close()


async def main(seconds: float, rate: float, ports: list[int]) -> None:
    all_clients = [Clients(port) for port in ports]
    interval = 1 / (rate * len(ports))
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for turn in range(round(seconds * rate)):
            order = all_clients if turn % 2 else reversed(all_clients)  # nobody is always the second of a pair
            for place, clients in enumerate(order):
                due = begin + (turn * len(ports) + place) * interval
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(clients.ask())
    print(json.dumps({one.port: {"took": one.took, "failed": one.failed} for one in all_clients}))  # noqa: T201


if __name__ == "__main__":
    gc.disable()  # a collection in here is nobody's latency
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2]), [int(port) for port in sys.argv[3:]]))
