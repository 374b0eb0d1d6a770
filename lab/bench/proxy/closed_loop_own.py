"""Load by a generator of our own, for machines without wrk.

`python -m lab.bench.proxy.closed_loop_own URL CONNECTIONS SENDS RECEIVES SECONDS` prints one JSON object.
It needs several times the CPU of wrk, so it limits the throughput of fast balancers; CPU per request stays comparable.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Collection
from pathlib import Path
from time import perf_counter
from typing import cast

import httptools
import uvloop

from ...balancers.adapter import Command
from ...balancers.running import spawn, stop, tail
from ...errors import EnvironmentProblemError
from ...processes.launch import words
from .closed_loop import LoadResult, Shape, percentile

_GRACE_S = 15.0


class OwnGenerator:
    """Runs the generator as a process on given cores."""

    name = "lab.bench.proxy.closed_loop_own"

    def __init__(self, workdir: Path, cores: Collection[int]) -> None:
        self._workdir, self._cores = workdir, cores

    async def run(self, url: str, shape: Shape, seconds: int) -> LoadResult:
        """Run it once. Raise `EnvironmentProblemError` if the process fails or does not end in time."""
        log = self._workdir / "load.log"
        log.write_bytes(b"")
        numbers = map(str, (shape.connections, shape.sends, shape.receives, seconds))
        process = await spawn(Command(words("lab.bench.proxy.closed_loop_own", url, *numbers)), log, self._cores)
        try:
            await asyncio.wait_for(process.wait(), seconds + _GRACE_S)
            return LoadResult(**json.loads(log.read_text()))
        except (TimeoutError, ValueError) as error:
            raise EnvironmentProblemError("the load generator failed", "install wrk", tail(log)) from error
        finally:
            await stop(process)


class Tally:
    """Outcomes of all connections."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.errors = 0
        self.over = False

    def result(self, seconds: float) -> LoadResult:
        """Return the result of a run that took `seconds`."""
        ordered = sorted(self.latencies) or [0.0]
        return LoadResult(
            len(self.latencies), seconds, self.errors, percentile(ordered, 0.5), percentile(ordered, 0.99)
        )


class Connection(asyncio.Protocol):
    """One connection: sends a request, waits for the complete response, and repeats."""

    def __init__(self, request: bytes, tally: Tally) -> None:
        self._request, self._tally = request, tally
        self._sent_at = 0.0
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Parse a part of a response; abort the connection if that fails."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_complete(self) -> None:
        """Count the response and send the next request."""
        if self._parser.get_status_code() < 400:
            self._tally.latencies.append(perf_counter() - self._sent_at)
        else:
            self._tally.errors += 1
        # Later, because the parser is still running.
        asyncio.get_running_loop().call_soon(self._ask)

    def connection_lost(self, _error: Exception | None) -> None:
        """Count an error, unless the run is over."""
        self._tally.errors += not self._tally.over
        self.closed.set()

    def _ask(self) -> None:
        if self._tally.over:
            self._transport.abort()
            return
        self._parser = httptools.HttpResponseParser(self)
        self._sent_at = perf_counter()
        self._transport.write(self._request)


async def load(host: str, port: int, shape: Shape, seconds: float) -> LoadResult:
    """Keep `shape.connections` busy for `seconds`; reopen a connection that is lost."""
    loop, tally = asyncio.get_running_loop(), Tally()
    method = "POST" if shape.sends else "GET"
    length = f"Content-Length: {shape.sends}\r\n" if shape.sends else ""
    request = f"{method} {shape.path} HTTP/1.1\r\nHost: {host}:{port}\r\n{length}\r\n".encode() + b"x" * shape.sends
    started = perf_counter()

    async def keep_one_open() -> None:
        while not tally.over:
            try:
                _, connection = await loop.create_connection(lambda: Connection(request, tally), host, port)
            except OSError:
                tally.errors += 1
                return
            await connection.closed.wait()

    connections = [asyncio.create_task(keep_one_open()) for _ in range(shape.connections)]
    await asyncio.sleep(seconds)
    tally.over = True
    took = perf_counter() - started
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    return tally.result(took)


def main() -> None:
    """Run the generator with the given arguments and print the result as JSON."""
    parser = argparse.ArgumentParser(prog="lab.bench.proxy.closed_loop_own")
    parser.add_argument("url", help="http://HOST:PORT")
    for name in ("connections", "sends", "receives", "seconds"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    host, _, port = options.url.removeprefix("http://").partition(":")
    shape = Shape(options.connections, options.sends, options.receives)
    result = uvloop.run(load(host, int(port), shape, options.seconds))
    sys.stdout.write(json.dumps({name: getattr(result, name) for name in result.__slots__}) + "\n")


if __name__ == "__main__":
    main()
