"""Backends and clients that speak in bytes: what is on the wire is what the test says, well-formed or not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from lb.core.backend import Backend
from lb.core.balancer import Balancer
from lb.core.events import Emit, Event
from lb.core.settings import Settings
from lb.core.sticky_sessions import StickyCookie
from lb.proxy.hash_key import key_source
from lb.proxy.limits import Limits
from lb.proxy.request_record import RequestRecord
from lb.proxy.server import ProxyRunner, ProxyServer

PATIENCE_S = 5.0
"""How long a test waits for something that must come. Generous: a busy host must not fail a test."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """One end of a raw connection, with reads that give up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, marker: bytes) -> bytes:
        """Everything up to and including `marker`."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(marker)

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(size)

    async def to_end(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read()

    async def ended(self) -> bool:
        """Whether the other side closes, by FIN or reset, before patience ends; what it still sends is dropped."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return True
        return True

    async def head(self) -> bytes:
        return await self.until(b"\r\n\r\n")

    async def response(self) -> tuple[bytes, bytes]:
        """Head and body of a response with Content-Length."""
        head = await self.head()
        return head, await self.exactly(int(value_of(head, b"content-length") or b"0"))

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


def value_of(head: bytes, name: bytes) -> bytes | None:
    """The value of the first field of that (lower-case) name."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return None


def status_of(head: bytes) -> int:
    return int(head.split(b" ", 2)[1])


@dataclass
class Stub:
    """A backend on loopback that plays `script` on each connection and counts what comes."""

    id: str
    script: Script
    port: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        peer = Peer(reader, writer)
        self.peers.append(peer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self.script(peer)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        """As if killed: nothing listens, and every connection ends."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        for peer in self.peers:
            peer.reset()

    async def request(self, peer: Peer) -> bytes:
        """Read one head, and remember it."""
        head = await peer.reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        return head


def answering(answer: bytes = OK) -> Script:
    """Answer every request (head only) with `answer`, on as many connections and as often as asked."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.reader.readuntil(b"\r\n\r\n")
            await peer.reader.readexactly(int(value_of(head, b"content-length") or b"0"))
            await peer.send(answer)

    return script


async def silent(peer: Peer) -> None:
    """Accept, read, and never answer: what a paused process looks like."""
    while await peer.reader.read(65536):
        pass


async def resetting(peer: Peer) -> None:
    """Read a head, then reset the connection."""
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.reset()


@dataclass
class Lab:
    """A real balancer and data plane on loopback."""

    port: int
    balancer: Balancer
    server: ProxyServer
    runner: ProxyRunner
    events: list[Event]
    records: list[RequestRecord]
    backends: dict[str, Backend]

    async def connect(self) -> Peer:
        return Peer(*await asyncio.open_connection("127.0.0.1", self.port))

    async def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """Send one request on a connection of its own; head and body of the answer."""
        peer = await self.connect()
        try:
            await peer.send(request)
            return await peer.response()
        finally:
            peer.close()

    async def settled(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` holds."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():  # noqa: ASYNC110 (the conditions are plain state that sets no event)
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"never came true: {what}") from None


@asynccontextmanager
async def proxy(
    *stubs: Stub,
    settings: Settings | None = None,
    limits: Limits | None = None,
    shutdown_timeout: float = 0.1,
    hash_by: str = "client",
    sticky: StickyCookie | None = None,
) -> AsyncIterator[Lab]:
    """The data plane in front of `stubs`, which are started, known to the balancer, and UP."""
    settings = settings or Settings()
    loop = asyncio.get_running_loop()
    events: list[Event] = []
    records: list[RequestRecord] = []
    subscribers: list[Emit] = [events.append]
    balancer = Balancer(settings, random.Random(1), lambda event: [tell(event) for tell in subscribers][-1])
    backends = {}
    for stub in stubs:
        await stub.start()
        backends[stub.id] = balancer.insert(stub.id, "127.0.0.1", stub.port, loop.time())
        balancer.probed(backends[stub.id], "", 0.001, loop.time())
    server = ProxyServer(
        balancer,
        limits,
        connect_timeout=settings.retry.connect_timeout,
        on_done=records.append,
        key_of=key_source(hash_by),
        sticky=sticky,
        load_feedback=settings.load_feedback,
        panic=settings.panic,
        loop=loop,
    )
    subscribers.append(server.on_event)
    runner = ProxyRunner(server, shutdown_timeout=shutdown_timeout)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield Lab(runner.addresses[0][1], balancer, server, runner, events, records, backends)
    finally:
        await runner.cleanup()
        for stub in stubs:
            await stub.stop()
