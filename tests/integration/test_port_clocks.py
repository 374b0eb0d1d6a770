"""Connections to any of our HTTP ports that lead nowhere end, however steadily their bytes come.

The clocks are set short: by the environment where the port is a process's, else in the module. Those of the balancer's
admin port are in `test_lb_admin_clocks.py`, those of its traffic port in `tests/unit/lb/proxy/test_lb_proxy_clocks.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from chaos.relay import control
from chaos.relay.control import control_app
from chaos.relay.relay import Relay
from lab.runtime import control_port
from lab.runtime.supervisor_api import application as supervisor
from tests.support.api.replica_process import running_replica
from tests.support.chaos_client import TOKEN, ChaosProcess
from tests.support.chaos_supervisor import FakeSupervisor
from tests.support.fake_backends import FakeBackends

PATIENCE_S = 0.4
ENDED_S = 15.0
"""Until a connection has ended, on a busy host."""
END = b"\r\n\r\n"


class Port(NamedTuple):
    number: int
    change: bytes
    """Request line of a call that takes JSON."""
    read: bytes
    """Request line of a call that is answered 200."""
    long: bytes
    """Request line of a call whose response takes longer than every clock; empty if there is none."""

    def head(self, line: bytes, *fields: bytes) -> bytes:
        """The lines of a request that is allowed, without the empty one."""
        ours = b"Host: 127.0.0.1:%d" % self.number, b"Authorization: Bearer " + TOKEN.encode()
        return b"\r\n".join((line + b" HTTP/1.1", *ours, b"Content-Type: application/json", *fields))


@asynccontextmanager
async def backend(folder: Path, _: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    clocks = {"API_HEAD_TIMEOUT": "400ms", "API_BODY_TIMEOUT": "400ms", "API_KEEP_ALIVE": "1s"}
    with running_replica("api-1", folder, API_MAX_CONNECTIONS="4", **clocks) as replica:
        yield Port(replica.port, b"POST /jobs", b"GET /health", b"GET /work?sleep_ms=1500")


@asynccontextmanager
async def chaos(folder: Path, _: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    clocks = {f"CHAOS_{name}": "400ms" for name in ("HEAD_TIMEOUT", "BODY_TIMEOUT")}
    async with FakeSupervisor() as fake, ChaosProcess(fake, folder, **clocks) as service:
        yield Port(int(service.url.rpartition(":")[2]), b"POST /faults", b"GET /clock", b"GET /events?since=0")


@asynccontextmanager
async def supervised(_: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    patch.setattr(control_port, "IDLE_S", PATIENCE_S)
    patch.setattr(control_port, "BODY_S", PATIENCE_S)
    async with control_port.serving(supervisor({}, asyncio.Event(), TOKEN, FakeBackends()), 0) as number:
        yield Port(number, b"POST /backends", b"GET /processes", b"")


@asynccontextmanager
async def relayed(_: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    patch.setattr(control, "IDLE_S", PATIENCE_S)
    patch.setattr(control, "BODY_S", PATIENCE_S)
    relay = Relay(("127.0.0.1", 0), ("127.0.0.1", 9))
    async with control.serving(control_app(relay, TOKEN), "127.0.0.1", 0) as number:
        yield Port(number, b"PUT /fault", b"GET /state", b"")


@pytest.fixture(params=[backend, chaos, supervised, relayed], ids=["backend", "chaos", "supervisor", "relay"])
async def port(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Port]:
    async with request.param(tmp_path, monkeypatch) as opened:
        yield opened


async def until_ended(port: Port, begun: bytes, more: bytes = b"", every_s: float = 0.05) -> tuple[bytes, float]:
    """Send `begun` and then `more` again and again, until the server ends the connection; what it said, and after how
    many seconds it had ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    started = time.monotonic()

    async def send() -> None:
        writer.write(begun)
        while more:
            await asyncio.sleep(every_s)
            writer.write(more)
            await writer.drain()

    sending = asyncio.create_task(send())
    said = b""
    try:
        async with asyncio.timeout(ENDED_S):
            with contextlib.suppress(ConnectionError):  # it was closed with bytes unread
                while piece := await reader.read(4096):
                    said += piece
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sending
        writer.transport.abort()
    return said, time.monotonic() - started


async def answer_to(port: Port, sent: bytes) -> bytes:
    """The head of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(sent)
    async with asyncio.timeout(ENDED_S):
        head = await reader.readuntil(END)
    writer.close()
    return head


@pytest.mark.parametrize("kind", ["silent", "empty lines", "byte by byte", "field by field"])
async def test_a_head_that_never_ends_is_cut(port: Port, kind: str) -> None:
    begun, more = {
        "silent": (b"", b""),
        "empty lines": (b"", b"\r\n"),
        "byte by byte": (port.head(port.read, b"A: "), b"b"),
        "field by field": (port.head(port.read) + b"\r\n", b"A: b\r\n"),
    }[kind]
    said, took = await until_ended(port, begun, more)
    # RFC 9112 §2.2 lets a server refuse what is no request line at once.
    assert said == b"" or said.startswith(
        (b"HTTP/1.1 408 ", b"HTTP/1.1 400 ") if kind == "empty lines" else b"HTTP/1.1 408 "
    )
    assert took >= PATIENCE_S - 0.05 or b" 400 " in said
    assert b" 200 " in await answer_to(port, port.head(port.read) + END)


@pytest.mark.parametrize("kind", ["silent", "byte by byte", "chunk by chunk"])
async def test_a_body_that_never_ends_is_refused(port: Port, kind: str) -> None:
    length = b"Transfer-Encoding: chunked" if kind == "chunk by chunk" else b"Content-Length: 60000"
    more = {"silent": b"", "byte by byte": b"1", "chunk by chunk": b"1\r\n1\r\n"}[kind]
    said, took = await until_ended(port, port.head(port.change, length) + END, more)
    head, _, body = said.partition(END)
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["error"] == "late"
    assert took >= PATIENCE_S - 0.05


async def test_a_body_without_end_is_cut_however_fast_it_comes(port: Port) -> None:
    begun = port.head(port.change, b"Transfer-Encoding: chunked") + END
    said, _ = await until_ended(port, begun, b"4000\r\n" + b"1" * 0x4000 + b"\r\n", every_s=0.001)
    assert said == b"" or said.startswith(b"HTTP/1.1 413 ")  # its last words are lost where bytes are unread


async def test_a_body_that_nobody_asked_for_is_cut(port: Port) -> None:
    """The call is refused before its body is read, and the rest of the body is still to come."""
    begun = port.head(b"POST /nowhere", b"Content-Length: 60000").replace(b"Bearer", b"Basic") + END
    said, _ = await until_ended(port, begun, b"1")
    assert said == b"" or said.split()[1] in (b"401", b"408")  # a backend reads it, because it may be an order


async def test_a_head_without_end_is_cut_however_fast_it_comes(port: Port) -> None:
    said, _ = await until_ended(port, port.head(port.read) + b"\r\n", b"A: " + b"b" * 8000 + b"\r\n", every_s=0.001)
    assert said == b"" or said.split()[1] in (b"400", b"408", b"431")
    assert b" 200 " in await answer_to(port, port.head(port.read) + END)


async def test_whoever_is_in_time_is_answered_more_than_once(port: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    for _ in range(3):
        for line in (port.head(port.read) + END).splitlines(keepends=True):
            writer.write(line)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(ENDED_S):
            head = await reader.readuntil(END)
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200 ")
    writer.close()


@pytest.mark.parametrize("port", [backend, chaos], ids=["backend", "chaos"], indirect=True)
async def test_a_response_may_take_longer_than_any_clock(port: Port) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
    writer.write(port.head(port.long) + END)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3 * PATIENCE_S):
            while await reader.read(4096):
                pass
            pytest.fail("the connection was closed")
    writer.close()


@pytest.mark.parametrize("port", [backend], ids=["backend"], indirect=True)
class TestBackend:
    async def test_connections_beyond_the_limit_are_told_so(self, port: Port) -> None:
        async with contextlib.AsyncExitStack() as held:
            for _ in range(4):
                _, writer = await asyncio.open_connection("127.0.0.1", port.number)
                held.callback(writer.close)
                writer.write(port.head(port.long) + END)
            said, _ = await until_ended(port, b"")
        assert said.startswith(b"HTTP/1.1 503 ")
        assert said.endswith(b'{"error": "too_many"}')
        assert b"x-instance: api-1" in said.lower()

    async def test_a_body_that_comes_fast_enough_may_take_longer(self, port: Port) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port.number)
        writer.write(port.head(b"POST /echo", b"Content-Length: 3000") + END)
        for _ in range(30):  # about 2,000 bytes a second
            writer.write(b"x" * 100)
            await asyncio.sleep(PATIENCE_S / 8)
        async with asyncio.timeout(ENDED_S):
            assert b" 200 " in await reader.readuntil(END)
            assert await reader.readexactly(3000) == b"x" * 3000
        writer.close()

    async def test_a_websocket_handshake_with_a_body_is_refused(self, port: Port) -> None:
        fields = b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2"
        said, _ = await until_ended(port, port.head(b"GET /ws", *fields) + END + b"{}")
        assert said.startswith(b"HTTP/1.1 400 ")
