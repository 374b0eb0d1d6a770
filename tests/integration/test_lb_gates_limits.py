"""How many connections a client may have and how much it may do on one; tunnels when the balancer stops."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from lb.proxy.limits import Limits
from tests.support.raw_http import PATIENCE_S, Peer, Stub, answering, proxy, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


async def upgrading(peer: Peer) -> None:
    await peer.head()
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    await peer.ended()


async def test_one_connection_more_than_a_client_may_have_is_refused_until_one_ends() -> None:
    async with proxy(Stub("api-1", answering()), limits=Limits(connections_per_client=2)) as lab:
        held = [await lab.connect() for _ in range(2)]
        for peer in held:
            await peer.send(GET)
            assert status_of((await peer.response())[0]) == 200

        third = await lab.connect()
        head, _ = await third.response()
        assert (status_of(head), value_of(head, b"x-lb-error")) == (503, b"connections_per_client")
        assert await third.to_end() == b""
        third.close()

        held[0].close()
        await lab.settled(lambda: lab.server.connections == 1, "the others are gone")
        fourth = await lab.connect()
        await fourth.send(GET)
        assert status_of((await fourth.response())[0]) == 200
        for peer in (held[1], fourth):
            peer.close()

    assert [record.error for record in lab.records if record.error] == ["connections_per_client"]


async def test_a_tunnel_counts_as_a_connection_of_its_client_until_it_ends() -> None:
    async with proxy(Stub("api-1", upgrading), limits=Limits(connections_per_client=1)) as lab:
        tunnel = await lab.connect()
        await tunnel.send(UPGRADE)
        assert status_of(await tunnel.head()) == 101
        second = await lab.connect()
        assert status_of((await second.response())[0]) == 503
        second.close()
        tunnel.close()
        await lab.settled(lambda: lab.server.connections == 0, "both are gone")
        third = await lab.connect()
        await third.send(UPGRADE)
        assert status_of(await third.head()) == 101
        third.close()


async def test_a_connection_closes_with_the_last_answer_that_it_may_carry() -> None:
    async with proxy(Stub("api-1", answering()), limits=Limits(requests_per_connection=3)) as lab:
        peer = await lab.connect()
        await peer.send(GET * 5)  # pipelined: what is behind the last one is not answered
        answers = [(await peer.response())[0] for _ in range(3)]
        assert [value_of(head, b"connection") for head in answers] == [None, None, b"close"]
        assert await peer.to_end() == b""
        peer.close()


async def test_websockets_are_told_that_the_balancer_goes_away_between_two_frames() -> None:
    closed: list[int] = []

    async def echo(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            closed.append(connection.protocol.close_rcvd.code if connection.protocol.close_rcvd else 0)

    stub = Stub("api-1", answering())
    async with serve(echo, "127.0.0.1", 0) as backend, proxy(stub, shutdown_timeout=PATIENCE_S) as lab:
        await stub.stop()
        lab.backends["api-1"].port = backend.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{lab.port}/", max_size=None) as client:
            await client.send(b"x" * 200_000)
            assert await client.recv() == b"x" * 200_000

            async with asyncio.timeout(PATIENCE_S - 1):  # it does not wait for its own time-out
                await lab.runner.cleanup()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code == 1001
        await lab.settled(lambda: closed == [1001], "the backend was told, too")


async def test_other_tunnels_get_the_time_that_a_stop_has() -> None:
    async def echo(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        while data := await peer.reader.read(100):
            await peer.send(data)

    async with proxy(Stub("api-1", echo), shutdown_timeout=PATIENCE_S) as lab:
        client = await lab.connect()
        await client.send(UPGRADE)
        await client.head()
        stopping = asyncio.create_task(lab.runner.cleanup())
        await lab.settled(lambda: lab.server._plane.stopping, "it stops")
        await client.send(b"still there?")
        assert await client.exactly(12) == b"still there?"
        client.close()
        async with asyncio.timeout(PATIENCE_S - 1):
            await stopping
