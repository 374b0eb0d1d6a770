"""Measures one request through data plane and core, connected as in production, and compares it with a yardstick.

CPU time differs between hosts, so the cost is also given as a multiple of a yardstick, measured on the same interpreter
at the same time: the work that every such proxy has to do, which is parsing both heads with llhttp and collecting the
fields. This ratio can be compared with a committed baseline.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import httptools

from ..core.backend import State
from ..core.balancer import Balancer
from ..core.events import Event
from ..core.settings import Settings
from ..proxy.client import ClientConnection
from ..proxy.data_plane import DataPlane
from ..telemetry.decision_log import DecisionLog
from ..telemetry.request_stats import RequestStats
from .memory_transports import ANSWER, ClientTransport, MemoryBackends

REQUEST = b"GET /bytes/64 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
"""A request of the kind that wrk sends."""
_BATCH = 2000


class Cost(NamedTuple):
    """CPU time in microseconds, the lowest of all rounds, because noise can only increase it."""

    request_us: float
    yardstick_us: float

    @property
    def ratio(self) -> float:
        """Cost of a request in multiples of the yardstick."""
        return self.request_us / self.yardstick_us


def measure(rounds: int) -> Cost:
    """Measure the request and the yardstick in alternating rounds."""
    return asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> Cost:
    request = await request_through_balancer()
    request_us, yardstick_us = [], []
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        request_us.append(_timed(request))
        yardstick_us.append(_timed(_yardstick))
    gc.unfreeze()
    return Cost(min(request_us), min(yardstick_us))


def _timed(work: Callable[[], None]) -> float:
    began = time.thread_time_ns()
    for _ in range(_BATCH):
        work()
    return (time.thread_time_ns() - began) / _BATCH / 1000


async def request_through_balancer() -> Callable[[], None]:
    """Return a function that sends one request on a kept-alive connection, with all logs, retries and hedges."""
    balancer, backends = Balancer(Settings(), Random(1), _discard), MemoryBackends()
    counts, decisions = RequestStats(), DecisionLog(1000)

    plane = DataPlane(balancer, time.monotonic, backends.dial, soon=asyncio.get_running_loop().call_soon)
    plane.set_observers((counts.done, decisions.done))
    for number in range(3):
        backend = balancer.insert(f"b{number}", "127.0.0.1", 9000 + number, time.monotonic())
        balancer.probed(backend, "", 0.001, time.monotonic())
        assert backend.state is State.UP
    client, transport = ClientConnection(plane), ClientTransport()
    client.connection_made(transport)

    def request() -> None:
        client.data_received(REQUEST)
        plane.write_batch.flush()
        backends.answer()
        plane.write_batch.flush()

    for _ in balancer.backends:  # the first request to each backend has to connect
        before = transport.written
        client.data_received(REQUEST)
        while transport.written == before:
            await asyncio.sleep(0)
            backends.answer()
    assert transport.last.startswith(b"HTTP/1.1 200 ")
    return request


class _Fields:
    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, name.lower(), value))


def _yardstick() -> None:
    found = _Fields()
    httptools.HttpRequestParser(found).feed_data(REQUEST)
    httptools.HttpResponseParser(found).feed_data(ANSWER)
    {lower: value for _, lower, value in found.fields}


def _discard(event: Event) -> None:
    """Ignore events."""
