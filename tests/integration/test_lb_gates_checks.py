"""Checks by TLS handshake: what passes, and what does not."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from lb.core.backend import Backend
from lb.core.bounds import bounds
from lb.core.settings import HealthSettings, Settings
from lb.probes.active_check import ActiveCheck
from lb.proxy.origin import NO_ENDPOINT, Origin
from lb.proxy.proxy_protocol import encode
from tests.support.lb_shell.stubs import started
from tests.support.lb_shell.tls_files import issued
from tests.support.raw_http import Peer, Stub, silent


async def checked(port: int, proxy_header: bytes = b"") -> str:
    return (await ActiveCheck(HealthSettings(kind="tls"), proxy_header)(Backend("a", "127.0.0.1", port))).failure


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*issued(trustme.CA(), tmp_path, "a.test"))
    return made


async def test_a_handshake_is_a_pass_whoevers_certificate_it_is(context: ssl.SSLContext) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        assert await checked(server.sockets[0].getsockname()[1]) == ""


async def test_whoever_accepts_and_says_nothing_does_not_pass() -> None:
    stub = Stub("a", silent)
    async with started(stub):
        assert await checked(stub.port) == "timeout"


async def test_what_is_no_tls_does_not_pass() -> None:
    async def plain(peer: Peer) -> None:
        await peer.reader.read(1)
        await peer.send(b"220 mail.test ESMTP\r\n")

    stub = Stub("a", plain)
    async with started(stub):
        assert await checked(stub.port) == "bad_response"


async def test_a_port_that_is_closed_is_refused() -> None:
    stub = Stub("a", silent)
    async with started(stub):
        pass
    assert await checked(stub.port) == "refused"


async def test_a_proxy_header_goes_ahead_of_the_handshake(context: ssl.SSLContext) -> None:
    header = encode("v2", Origin(NO_ENDPOINT, NO_ENDPOINT))
    seen: list[bytes] = []

    async def introduced(peer: Peer) -> None:
        seen.append(await peer.reader.readexactly(len(header)))
        seen.append(await peer.reader.readexactly(1))

    stub = Stub("a", introduced)
    async with started(stub):
        await checked(stub.port, header)
    assert seen == [header, b"\x16"], "the record type of a handshake"


def test_the_bounds_promise_what_a_handshake_can_see() -> None:
    by_kind = {
        kind: {one.fault: one.reroute_s for one in bounds(Settings(health=HealthSettings(kind=kind)))}
        for kind in ("http", "tcp", "tls")
    }

    assert by_kind["tcp"]["pause"] is None
    assert by_kind["tls"]["pause"] == by_kind["http"]["pause"]
    assert by_kind["tls"]["delay"] == by_kind["http"]["delay"]
    for fault in ("hang", "slow", "unhealthy", "error"):
        assert by_kind["tls"][fault] is None, fault
    assert by_kind["tls"]["kill"] == by_kind["http"]["kill"]
