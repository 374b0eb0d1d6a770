"""The relay, driven over loopback: invisible without a fault, and as slow as asked with one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from chaos.links.impairment import Impairment
from chaos.relay.relay import SLOT_S, Relay
from tests.support.chaos_waiting import until

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


class Upstream:
    """A backend that can die (sockets reset, port refused) and come back on the same port."""

    def __init__(self) -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self, handler: Handler = echo) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            await handler(reader, writer)

        self._server = await asyncio.start_server(serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def die(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    backend = Upstream()
    await backend.start()
    yield backend
    backend.die()


@pytest.fixture
async def relay(upstream: Upstream) -> AsyncIterator[Relay]:
    relay = Relay(("127.0.0.1", 0), ("127.0.0.1", upstream.port))
    running = asyncio.ensure_future(relay.run())
    await until(lambda: relay.listener.is_open)
    yield relay
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def dial(relay: Relay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*relay.listener.address)


async def round_trip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    started = time.monotonic()
    writer.write(b"ping")
    assert await reader.readexactly(4) == b"ping"
    return time.monotonic() - started


async def test_without_a_fault_bytes_and_half_close_pass(relay: Relay) -> None:
    reader, writer = await dial(relay)
    body = bytes(range(256)) * 40_000  # 10 MB: far more than any buffer on the way
    writer.write(body)
    writer.write_eof()
    assert await reader.read() == body


async def test_back_pressure_reaches_the_sender(upstream: Upstream, relay: Relay) -> None:
    async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket transport can
        await asyncio.Event().wait()

    upstream.die()
    await upstream.start(never_reads)
    await until(lambda: relay.listener.is_open)
    _, writer = await dial(relay)
    writer.write(b"x" * (64 << 20))  # more than the kernel's buffers of both connections hold
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(writer.drain(), 0.5)
    writer.transport.abort()


async def test_a_dead_backend_is_refused_and_a_living_one_served_again(upstream: Upstream, relay: Relay) -> None:
    upstream.die()
    await until(lambda: not relay.listener.is_open)
    with pytest.raises(ConnectionRefusedError):
        await dial(relay)
    await upstream.start()
    await until(lambda: relay.listener.is_open)
    assert await round_trip(*await dial(relay)) < 0.5


async def test_the_backends_death_ends_open_connections(upstream: Upstream, relay: Relay) -> None:
    reader, writer = await dial(relay)
    await round_trip(reader, writer)
    upstream.die()
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 2.0) == b""


async def test_the_clients_reset_reaches_the_backend(upstream: Upstream, relay: Relay) -> None:
    ended = asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(100):
                ended.clear()
            return
        ended.set()

    upstream.die()
    await upstream.start(watch)
    await until(lambda: relay.listener.is_open)
    _, writer = await dial(relay)
    writer.write(b"hello")
    await until(lambda: any(link.upstream.transport for link in relay._links))
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 2.0)


async def test_delay_acts_on_an_open_connection_and_ends_by_itself(relay: Relay) -> None:
    connection = await dial(relay)
    baseline = await round_trip(*connection)
    await relay.impair(Impairment("delay", duration_s=1.0, delay_s=0.2))
    slow = await round_trip(*connection)
    # A round trip contains the delay once, on the path of the response only. 100 ms for a busy host.
    # The lower limit is of the round trip itself: its undelayed part may be shorter than `baseline`.
    assert slow >= 0.2
    assert slow - baseline < 0.3
    await until(lambda: not relay.state()["faults"])
    assert await round_trip(*connection) < 0.1


async def test_a_delay_that_ends_lets_go_what_it_holds_in_order(relay: Relay) -> None:
    reader, writer = await dial(relay)
    await round_trip(reader, writer)
    await relay.impair(Impairment("delay", duration_s=30, delay_s=20, jitter_s=10))
    for number in range(50):
        writer.write(bytes([number]))
        await asyncio.sleep(0)
    await until(lambda: any(link.upstream._held_bytes == 50 for link in relay._links))
    await relay.heal()
    assert list(await asyncio.wait_for(reader.readexactly(50), 0.2)) == list(range(50))


async def test_blackhole_connects_and_then_says_nothing(relay: Relay) -> None:
    await relay.impair(Impairment("blackhole", duration_s=30))
    reader, writer = await dial(relay)
    writer.write(b"ping")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(4), 0.3)
    await relay.heal()
    # The kernel retransmits what a black hole swallowed; the relay's hold stands for that.
    assert await asyncio.wait_for(reader.readexactly(4), 1.0) == b"ping"


async def test_refuse_resets_open_connections_and_refuses_new_ones(relay: Relay) -> None:
    reader, writer = await dial(relay)
    await round_trip(reader, writer)
    await relay.impair(Impairment("refuse", duration_s=30))
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 1.0)
    with pytest.raises(ConnectionRefusedError):
        await dial(relay)
    await relay.heal()
    assert await round_trip(*await dial(relay)) < 0.5


async def test_a_partial_refusal_refuses_about_its_share_and_leaves_open_connections_alone(relay: Relay) -> None:
    reader, writer = await dial(relay)
    await round_trip(reader, writer)
    await relay.impair(Impairment("refuse", duration_s=30, share=0.5))
    refused = 0
    for _ in range(200):
        try:
            _, other = await dial(relay)
            other.close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: in the backlog when it closed
            refused += 1
        await asyncio.sleep(SLOT_S)
    # Each dial meets a slot of its own: binomial with n = 200 and p = 0.5, standard deviation 7; ± 5 of them.
    assert 65 <= refused <= 135
    await round_trip(reader, writer)
    await relay.heal()
    for _ in range(20):
        assert await round_trip(*await dial(relay)) < 0.5


async def test_total_loss_looks_like_silence(relay: Relay) -> None:
    connection = await dial(relay)
    await round_trip(*connection)
    await relay.impair(Impairment("loss", duration_s=30, loss=1.0))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(round_trip(*connection), 0.5)
