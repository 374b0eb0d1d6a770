"""Active checks against real sockets: what counts as a pass over HTTP and over TCP."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lb.core.backend import Backend
from lb.core.load_weights import LoadReport
from lb.core.settings import HealthSettings
from lb.probes.active_check import ActiveCheck
from lb.probes.http_probe import MAX_BODY
from lb.probes.scheduler import Report
from tests.support.raw_http import Peer, Script, Stub, answering, silent

HEALTHY = b'{"status":"ok","instance":"x","load":{"in_flight":2,"cpu":0.25}}'


def answer(status: bytes, body: bytes) -> Script:
    return answering(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


@asynccontextmanager
async def behind(script: Script) -> AsyncIterator[tuple[Stub, Backend]]:
    stub = Stub("api-1", script)
    await stub.start()
    try:
        yield stub, Backend("api-1", "127.0.0.1", stub.port)
    finally:
        await stub.stop()


async def checked(script: Script, **health: Any) -> Report:
    async with behind(script) as (_, backend):
        return await ActiveCheck(HealthSettings(**health))(backend)


@pytest.mark.parametrize(
    ("status", "health", "failure"),
    [
        (b"200 OK", {}, ""),
        (b"204 No Content", {}, "status 204"),
        (b"204 No Content", {"expect_status": (200, 299)}, ""),
        (b"302 Found", {"expect_status": (200, 299)}, "status 302"),
        (b"200 OK", {"expect_body": '"status":"ok"'}, ""),
        (b"200 OK", {"expect_body": "ready"}, "unexpected body"),
        (b"500 Oops", {"expect_body": "ready"}, "status 500"),
    ],
)
async def test_what_passes_over_http(status: bytes, health: dict[str, Any], failure: str) -> None:
    body = b"" if status.startswith(b"204") else HEALTHY
    report = await checked(answer(status, body), **health)
    assert (report.failure, report.unhealthy_response) == (failure, bool(failure))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nread\r\n1\r\ny\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready",
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.0 200 OK\r\n\r\nready",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nreadyHTTP/1.1 500 Surplus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nready" + bytes(MAX_BODY),
    ],
)
async def test_every_way_to_frame_an_answer(answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    assert await checked(script, expect_body="ready") == Report()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", "reset"),
        (b"HTTP/1.1 200 O", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nread", "reset"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nread\r\n", "reset"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "reset"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nready", "bad_response"),
    ],
)
async def test_what_ends_before_it_is_whole_or_is_no_http_has_not_passed(answer: bytes, failure: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)

    assert await checked(script) == Report(failure)


async def test_a_report_that_stalls_in_the_middle_has_not_passed() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nread")
        await silent(peer)

    assert await checked(script, timeout=0.1) == Report("timeout")


async def test_a_change_of_protocol_is_its_status() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nwhat")

    assert (await checked(script, timeout=0.1)).failure


async def test_a_name_that_nobody_knows_is_unresolved() -> None:
    assert await ActiveCheck(HealthSettings())(Backend("api-1", "backend.invalid", 80)) == Report("unresolved")


async def test_a_path_is_sent_as_it_is_quoted_in_a_url() -> None:
    async def script(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    heads: list[bytes] = []
    await checked(script, path="/ready?deep=1")
    assert heads[0].startswith(b"GET /ready?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_what_is_no_answer_is_no_word_of_the_backends() -> None:
    assert await checked(answering(b"HTTP/9.9 what\r\n\r\n")) == Report("bad_response")
    assert await checked(silent, timeout=0.05) == Report("timeout")


async def test_a_health_report_brings_name_and_load() -> None:
    report = await checked(answer(b"200 OK", HEALTHY))
    assert (report.name, report.load) == ("x", LoadReport(0.25, 2.0))


async def test_the_configured_headers_are_sent() -> None:
    async def script(peer: Peer) -> None:
        heads.append(await peer.head())
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    heads: list[bytes] = []
    await checked(script, headers={"Host": "api.test", "X-Check": "yes"})
    assert heads[0].count(b"Host:") == 1
    assert b"Host: api.test\r\n" in heads[0]
    assert b"X-Check: yes\r\n" in heads[0]


async def test_over_tcp_connecting_is_enough_and_nothing_is_asked() -> None:
    async with behind(silent) as (stub, backend):
        assert await ActiveCheck(HealthSettings(kind="tcp"))(backend) == Report()
    assert stub.heads == []


async def test_over_tcp_a_closed_port_fails() -> None:
    async with behind(silent) as (_, backend):
        pass
    assert (await ActiveCheck(HealthSettings(kind="tcp"))(backend)).failure == "refused"


@pytest.mark.parametrize("kind", ["http", "tcp", "tls"])
async def test_a_check_that_could_not_be_made_says_nothing_about_the_backend(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exhausted(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    async with behind(silent) as (_, backend):
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", exhausted)
        assert (await ActiveCheck(HealthSettings(kind=kind))(backend)).inconclusive
