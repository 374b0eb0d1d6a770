"""TCP mode: connections balanced as they are, by the same registry, health, policy, caps and retries."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from lb.proxy.origin import Endpoint, Origin
from lb.proxy.proxy_protocol import encode
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.eventually import eventually
from tests.support.lb_shell.stubs import naming, started, write
from tests.support.lb_shell.tls_files import issued, opened, setting, trusting
from tests.support.raw_http import PATIENCE_S, Peer, Script, Stub

BY_TCP = "health: {kind: tcp}\n"
BLIND = "health: {kind: tcp, interval: 1m, assume_up: true}\n"
"""Nothing but traffic finds out."""


def saying(name: bytes) -> Script:
    """Speaks first, as SMTP and many databases do, then echoes; half-closes when the client does."""

    async def script(peer: Peer) -> None:
        await peer.send(name)
        while data := await peer.reader.read(65536):
            await peer.send(data)
        await peer.send(b"bye")

    return script


@asynccontextmanager
async def balancing(folder: Path, *parts: str, tcp: str = "") -> AsyncIterator[BalancerProcess]:
    config = write(folder, f"tcp: {{listen: '127.0.0.1:0'{tcp}}}", *parts)
    async with running_balancer("--config", str(config)) as balancer:
        yield balancer


async def connected(balancer: BalancerProcess) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", balancer.port("tcp")))


async def in_flight(balancer: BalancerProcess, count: int) -> None:
    await balancer.until("/backends", lambda answer: sum(one["in_flight"] for one in answer["backends"]) == count)


async def test_connections_are_spread_and_bytes_pass_both_ways_to_the_very_end(tmp_path: Path) -> None:
    stubs = [Stub("a", saying(b"a")), Stub("b", saying(b"b"))]
    async with started(*stubs), balancing(tmp_path, naming(*stubs), BY_TCP) as balancer:
        await balancer.ready()
        peers = [await connected(balancer) for _ in range(4)]
        assert sorted([await peer.exactly(1) for peer in peers]) == [b"a", b"a", b"b", b"b"]
        shown = await balancer.get("/backends")
        assert [one["in_flight"] for one in shown["backends"]] == [2, 2]
        assert await balancer.metric('lb_tunnels{backend="a"}') == 2

        payload = bytes(range(256)) * 4096
        for peer in peers:
            sending = asyncio.create_task(peer.send(payload))
            assert await peer.exactly(len(payload)) == payload
            await sending
            peer.writer.write_eof()
            assert await peer.to_end() == b"bye", "the other direction outlives a half-close"
            peer.close()

        await in_flight(balancer, 0)
        for name in "ab":
            assert await balancer.metric(f'lb_tcp_connections_total{{backend="{name}",outcome="ok"}}') == 2
        assert await balancer.metric('lb_tcp_bytes_total{direction="in"}') == 4 * len(payload)
        assert await balancer.metric('lb_tcp_bytes_total{direction="out"}') == 4 * (len(payload) + 4)


async def test_a_backend_that_takes_no_connection_costs_nobody_one(tmp_path: Path) -> None:
    dead, alive = Stub("dead", saying(b"x")), Stub("alive", saying(b"y"))
    async with started(alive):
        await dead.start()
        await dead.stop()
        async with balancing(tmp_path, naming(dead, alive), BLIND) as balancer:
            for _ in range(10):
                peer = await connected(balancer)
                assert await peer.exactly(1) == b"y"
                peer.close()
            assert await balancer.metric('lb_attempt_failures_total{backend="dead",failure="refused"}') >= 1
            assert await balancer.metric('lb_tcp_connections_total{backend="",outcome="refused"}') == 0


async def test_with_nobody_left_the_connection_is_reset(tmp_path: Path) -> None:
    dead = Stub("dead", saying(b"x"))
    await dead.start()
    await dead.stop()
    async with balancing(tmp_path, naming(dead), BLIND) as balancer:
        peer = await connected(balancer)
        with pytest.raises(ConnectionResetError):
            await peer.to_end()
        peer.close()
        line = await balancer.line("connection")
        assert (line["error"], line["backend"], line["attempts"]) == ("refused", "", 1)
        assert await balancer.metric('lb_tcp_connections_total{backend="",outcome="refused"}') == 1
        await in_flight(balancer, 0)


async def test_a_backend_that_resets_at_once_is_found_out(tmp_path: Path) -> None:
    async def resetting(peer: Peer) -> None:
        await peer.reader.read(1)
        linger = struct.pack("ii", 1, 0)  # a reset, and not the FIN that closing is otherwise
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.reset()

    stubs = [Stub("bad", resetting), Stub("good", saying(b"y"))]
    passive = "passive: {consecutive_failures: 3}\n"
    async with started(*stubs), balancing(tmp_path, naming(*stubs), BY_TCP, passive) as balancer:
        await balancer.ready()

        async def ejected() -> bool:
            peer = await connected(balancer)
            await peer.send(b"hello")
            peer.writer.write_eof()
            await peer.ended()
            peer.close()
            return (await balancer.get("/backends"))["backends"][0]["state"] == "ejected"

        assert await eventually(ejected)
        assert await balancer.metric('lb_tcp_connections_total{backend="bad",outcome="reset"}') >= 3


async def test_caps_hold_and_a_place_that_is_freed_is_given_to_who_waits(tmp_path: Path) -> None:
    stub = Stub("a", saying(b"a"))
    admission = "admission: {max_in_flight: 1, max_queue: 1, queue_timeout: 4s}\n"
    async with started(stub), balancing(tmp_path, naming(stub), BY_TCP, admission) as balancer:
        await balancer.ready()
        first = await connected(balancer)
        assert await first.exactly(1) == b"a"
        second = await connected(balancer)
        waiting = asyncio.create_task(second.exactly(1))

        async def refused() -> bool:
            try:
                third = await connected(balancer)
                assert await third.to_end() == b""
            except ConnectionResetError:
                return True
            return False

        assert await refused()
        assert await balancer.metric('lb_tcp_connections_total{backend="",outcome="overload"}') == 1
        first.close()
        assert await waiting == b"a"
        second.close()


async def test_silence_ends_a_connection(tmp_path: Path) -> None:
    stub = Stub("a", saying(b"a"))
    async with started(stub), balancing(tmp_path, naming(stub), BY_TCP, tcp=", idle: 300ms") as balancer:
        await balancer.ready()
        peer = await connected(balancer)
        assert await peer.exactly(1) == b"a"
        assert await peer.ended()
        peer.close()
        assert await balancer.metric('lb_tcp_connections_total{backend="a",outcome="idle"}') == 1


async def test_a_stop_lets_connections_finish_and_takes_no_new_one(tmp_path: Path) -> None:
    stub = Stub("a", saying(b"a"))
    async with started(stub), balancing(tmp_path, naming(stub), BY_TCP) as balancer:
        await balancer.ready()
        peer = await connected(balancer)
        assert await peer.exactly(1) == b"a"
        balancer.signal(signal.SIGTERM)
        assert (await balancer.line("stopping"))["connections"] == 1

        async def closed() -> bool:
            try:
                late = await connected(balancer)
            except ConnectionRefusedError:
                return True
            late.close()
            return False

        assert await eventually(closed)
        await peer.send(b"still there?")
        assert await peer.exactly(12) == b"still there?"
        peer.writer.write_eof()
        assert await peer.to_end() == b"bye"
        peer.close()
        assert await balancer.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_backends_are_told_who_the_client_is(tmp_path: Path, version: str) -> None:
    heads: list[bytes] = []

    async def script(peer: Peer) -> None:
        heads.append(await peer.reader.read(1000))
        await peer.send(b"a")

    stub = Stub("a", script)
    async with (
        started(stub),
        balancing(tmp_path, naming(stub), BY_TCP, f"proxy_protocol: {{send: {version}}}") as balancer,
    ):
        await balancer.ready()
        peer = await connected(balancer)
        source = peer.writer.get_extra_info("sockname")
        assert await peer.exactly(1) == b"a"
        peer.close()
    expected = Origin(Endpoint(source[0], source[1]), Endpoint("127.0.0.1", balancer.port("tcp")))
    assert encode(version, expected) in heads


async def test_a_header_names_the_client_and_nobody_else_is_let_in(tmp_path: Path) -> None:
    stub = Stub("a", saying(b"a"))
    accept = "proxy_protocol: {accept_from: [127.0.0.1/32]}\naccess_log: {sample: 100%}\n"
    async with started(stub), balancing(tmp_path, naming(stub), BY_TCP, accept) as balancer:
        await balancer.ready()
        peer = await connected(balancer)
        await peer.send(encode("v2", Origin(Endpoint("192.0.2.7", 1), Endpoint("192.0.2.1", 2))) + b"hello")
        assert await peer.exactly(6) == b"ahello"
        peer.close()
        assert (await balancer.line("connection"))["client"] == "192.0.2.7"


async def test_tls_can_be_ended_here(tmp_path: Path) -> None:
    ca, stub = trustme.CA(), Stub("a", saying(b"a"))
    tls = setting(issued(ca, tmp_path, "a.test"))
    async with started(stub), balancing(tmp_path, naming(stub), BY_TCP, tls, tcp=", tls: true") as balancer:
        await balancer.ready()
        peer = Peer(*await opened(balancer.port("tcp"), "a.test", trusting(ca)))
        await peer.send(b"hello")
        assert await peer.exactly(6) == b"ahello"
        peer.close()
        await in_flight(balancer, 0)


async def test_a_client_that_does_not_read_stops_its_backend(tmp_path: Path) -> None:
    sent = 0

    async def flooding(peer: Peer) -> None:
        nonlocal sent
        while True:
            await peer.send(b"\0" * 65536)
            sent += 65536

    stub = Stub("a", flooding)
    async with started(stub), balancing(tmp_path, naming(stub), "health: {kind: tcp, interval: 1m}") as balancer:
        await balancer.ready()
        before = sent
        peer = await connected(balancer)
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads

        async def settled() -> bool:
            seen = sent
            await asyncio.sleep(0.3)
            return sent == seen > before

        assert await eventually(settled)
        assert sent - before < 32 << 20, "buffers of four sockets, and not the memory of the balancer"
        peer.close()
