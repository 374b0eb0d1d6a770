"""What a slow peer and an idle connection cost, measured on a balancer process: resident memory, not bytes counted."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.open_files import few_open_files, more_open_files
from tests.support.raw_http import Peer, Script, Stub, answering

GIB = 1024**3
SLOW_COST = 1024 * 1024
"""Of one slow peer, whatever the size of its body: the issue's bound."""
HELD = 2560 * 1024
"""Between backend and client: the send buffer (256 KiB), the piece read last (256 KiB), a buffer of 64 KiB, and
the receive buffer of the connection to the backend, which the kernel lets grow to 1.5 MiB for what flowed first."""
IDLE_COST = 5 * 1024
"""Of one idle kept-alive connection: the issue's bound."""
WATCHED_S = {False: 4.0, True: 120.0}
IDLE = 10_000
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@asynccontextmanager
async def balancing(script: Script) -> AsyncIterator[tuple[BalancerProcess, tuple[str, int]]]:
    stub = Stub("api-1", script)
    await stub.start()
    try:
        async with running_balancer(
            LB_DISCOVERY__KIND="static",
            LB_DISCOVERY__BACKENDS=f"api-1=127.0.0.1:{stub.port}",
            LB_HEALTH__KIND="tcp",
            LB_LIMITS__CONNECTIONS_PER_CLIENT="20000",
            LB_LIMITS__BODY="2GiB",
        ) as running:
            await running.ready()
            host, _, port = running.traffic.removeprefix("http://").partition(":")
            yield running, (host, int(port))
    finally:
        await stub.stop()


def resident(balancer: BalancerProcess) -> int:
    """Bytes, of the balancer process."""
    for line in Path(f"/proc/{balancer.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


async def opened(address: tuple[str, int], receive_buffer: int = 0) -> Peer:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, address)
    return Peer(*await asyncio.open_connection(sock=sock, limit=4096))


async def worst_growth(
    balancer: BalancerProcess, before: int, seconds: float, once_in_100_ms: Callable[[], Awaitable[object]]
) -> int:
    """The most that the balancer's memory has grown, watched for so long."""
    worst = 0
    for _ in range(round(seconds / 0.1)):
        await once_in_100_ms()
        await asyncio.sleep(0.1)  # the pace of the slow peer: what is measured, not what is waited for
        worst = max(worst, resident(balancer) - before)
    return worst


async def settled_memory(address: tuple[str, int], balancer: BalancerProcess) -> int:
    """Resident bytes after ordinary requests, so that first-time costs are not blamed on what follows."""
    for _ in range(20):
        peer = await opened(address)
        await peer.send(GET)
        await peer.head()
        peer.close()
    return resident(balancer)


async def test_a_client_that_reads_1_kib_a_second_of_1_gib(soak: bool) -> None:
    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            if b"/large" not in head:
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
            for _ in range(GIB // 65536):
                await peer.send(b"x" * 65536)

    async with balancing(script) as (balancer, address):
        before = await settled_memory(address, balancer)
        slow = await opened(address, receive_buffer=4096)
        await slow.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await slow.head()
        grown = await worst_growth(balancer, before, WATCHED_S[soak], lambda: slow.exactly(102))
        slow.reset()
    print(f"1 GiB: {grown / 1024:.0f} KiB")  # noqa: T201
    assert grown < SLOW_COST, f"{grown / 1024:.0f} KiB"


async def test_the_kernel_too_holds_little_for_a_client_that_does_not_read() -> None:
    """A send buffer may grow to 4 MiB, and what all buffers hold together is bounded for the whole host: others would
    suffer for it (`lb.process.listening.UNSENT`). What the backend gets rid of is what is held somewhere on the way."""
    left: list[int] = []

    async def script(peer: Peer) -> None:
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # its own is not what is asked about
        peer.writer.transport.set_write_buffer_limits(0)
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
        while True:
            await peer.send(b"x" * 16384)
            left.append(16384)

    async with balancing(script) as (_, address):
        silent = await opened(address, receive_buffer=4096)
        await silent.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = -1
        while seen != sum(left) or not left:
            seen = sum(left)
            await asyncio.sleep(0.5)  # what "no more" means
        silent.reset()
    print(f"held: {seen / 1024:.0f} KiB")  # noqa: T201
    assert seen < HELD


async def test_an_upload_of_1_gib_to_a_backend_that_reads_1_kib_a_second(soak: bool) -> None:
    taking: list[Peer] = []

    async def script(peer: Peer) -> None:
        while b"/large" not in await peer.head():
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        taking.append(peer)
        await asyncio.Event().wait()

    async with balancing(script) as (balancer, address):
        before = await settled_memory(address, balancer)
        client = await opened(address)
        await client.send(b"PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % GIB)

        async def pour() -> None:
            for _ in range(GIB // 65536):
                await client.send(b"x" * 65536)

        pouring = asyncio.create_task(pour())

        async def read() -> None:
            if taking:
                await taking[0].exactly(102)

        grown = await worst_growth(balancer, before, WATCHED_S[soak], read)
        assert taking, "the upload arrived"
        assert not pouring.done(), "and it is still under way"
        pouring.cancel()
        client.reset()
    print(f"1 GiB: {grown / 1024:.0f} KiB")  # noqa: T201
    assert grown < SLOW_COST, f"{grown / 1024:.0f} KiB"


async def test_idle_connections_are_held_and_cheap() -> None:
    count = IDLE
    with more_open_files(count + 500):
        async with balancing(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (balancer, address):
            before = await settled_memory(address, balancer)
            held = []
            for _ in range(count):
                sock = socket.create_connection(address)
                held.append(sock)
                sock.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(sock, GET)
                async with asyncio.timeout(10):
                    assert (await loop.sock_recv(sock, 4096)).startswith(b"HTTP/1.1 200")
            each = (resident(balancer) - before) / count
            for sock in held[:: count // 100]:
                await loop.sock_sendall(sock, GET)
                async with asyncio.timeout(10):
                    assert (await loop.sock_recv(sock, 4096)).startswith(b"HTTP/1.1 200"), "still served"
            for sock in held:
                sock.close()
    print(f"{count} idle connections: {each:.0f} bytes each")  # noqa: T201
    assert each < IDLE_COST, f"{each:.0f} bytes each"


async def test_the_balancer_allows_itself_all_open_files_that_the_machine_does() -> None:
    """Its own limit on connections is 20,000; the soft limit of many systems is 1024, and would come first."""
    with few_open_files(512):
        async with balancing(answering()) as (balancer, _):
            assert resource.prlimit(balancer.process.pid, resource.RLIMIT_NOFILE)[0] > 512
