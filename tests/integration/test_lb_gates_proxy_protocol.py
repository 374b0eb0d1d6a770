"""PROXY headers on real sockets: raw bytes, curl and HAProxy as senders, HAProxy as receiver."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from lb.proxy.origin import Endpoint, Origin
from lb.proxy.proxy_protocol import encode
from tests.support.free_ports import free_port
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.eventually import eventually
from tests.support.lb_shell.stubs import naming, remembering, started, write
from tests.support.lb_shell.tls_files import issued, setting, trusting
from tests.support.raw_http import Peer, Stub, status_of, value_of

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
CLIENT = Origin(Endpoint("192.0.2.7", 4321), Endpoint("198.51.100.1", 443))
FROM_LOOPBACK = "proxy_protocol: {accept_from: [127.0.0.1/32], timeout: 500ms}\n"


async def connected(balancer: BalancerProcess, source: str = "127.0.0.1") -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", balancer.port(), local_addr=(source, 0)))


@asynccontextmanager
async def behind(stub: Stub, folder: Path, *parts: str) -> AsyncIterator[BalancerProcess]:
    async with started(stub):
        config = write(folder, naming(stub), *parts)
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            yield balancer


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("pieces", [1, 7, 1000])
async def test_the_client_is_who_the_header_names(tmp_path: Path, version: str, pieces: int) -> None:
    stub = remembering()
    async with behind(stub, tmp_path, FROM_LOOPBACK) as balancer:
        peer = await connected(balancer)
        data = encode(version, CLIENT) + GET + GET
        for start in range(0, len(data), pieces):
            await peer.send(data[start : start + pieces])
            await asyncio.sleep(0)
        for _ in range(2):
            assert status_of((await peer.response())[0]) == 200
        peer.close()

    assert [value_of(head, b"x-forwarded-for") for head in stub.heads] == [b"192.0.2.7"] * 2
    assert b"for=192.0.2.7;proto=http;" in stub.heads[0]


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", encode("v2", Origin(Endpoint("", 0), Endpoint("", 0)))])
async def test_without_a_client_in_it_the_kernels_word_counts(tmp_path: Path, header: bytes) -> None:
    stub = remembering()
    async with behind(stub, tmp_path, FROM_LOOPBACK) as balancer:
        peer = await connected(balancer)
        await peer.send(header + GET)
        assert status_of((await peer.response())[0]) == 200
        peer.close()
    assert value_of(stub.heads[0], b"x-forwarded-for") == b"127.0.0.1"


async def test_tls_begins_right_behind_the_header(tmp_path: Path) -> None:
    ca, stub = trustme.CA(), remembering()
    async with behind(stub, tmp_path, FROM_LOOPBACK, setting(issued(ca, tmp_path, "a.test"))) as balancer:

        def talk() -> bytes:
            with socket.create_connection(("127.0.0.1", balancer.port()), timeout=5) as plain:
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                hello = trusting(ca).wrap_bio(incoming, outgoing, server_hostname="a.test")
                with pytest.raises(ssl.SSLWantReadError):
                    hello.do_handshake()
                plain.sendall(encode("v2", CLIENT) + outgoing.read())  # in one segment, as a proxy may send them
                while True:
                    try:
                        hello.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        plain.sendall(outgoing.read())
                        incoming.write(plain.recv(65536))
                hello.write(GET)
                plain.sendall(outgoing.read())
                answer = b""
                while b"ok" not in answer:
                    incoming.write(plain.recv(65536))
                    try:
                        answer += hello.read(65536)
                    except ssl.SSLWantReadError:
                        continue
                return answer

        assert (await asyncio.to_thread(talk)).startswith(b"HTTP/1.1 200")
    assert value_of(stub.heads[0], b"x-forwarded-for") == b"192.0.2.7"
    assert value_of(stub.heads[0], b"x-forwarded-proto") == b"https"


@pytest.mark.parametrize(
    ("source", "sent", "reason"),
    [
        ("127.0.0.2", encode("v1", CLIENT) + GET, "proxy_header_untrusted"),
        ("127.0.0.2", GET, "proxy_header_untrusted"),
        ("127.0.0.1", GET, "proxy_header_malformed"),
        ("127.0.0.1", b"PROXY TCP4 1.2.3.4 x 1 2\r\n" + GET, "proxy_header_malformed"),
        ("127.0.0.1", b"PROXY TCP4 " + b"1" * 200 + b"\r\n" + GET, "proxy_header_malformed"),
        ("127.0.0.1", encode("v2", CLIENT)[:14] + b"\xff\xff", "proxy_header_malformed"),
        ("127.0.0.1", encode("v1", CLIENT)[:20], "proxy_header_slow"),
        ("127.0.0.1", b"", "proxy_header_slow"),
    ],
)
async def test_whoever_is_not_let_in_is_closed_with_one_line(
    tmp_path: Path, source: str, sent: bytes, reason: str
) -> None:
    stub = remembering()
    async with behind(stub, tmp_path, FROM_LOOPBACK) as balancer:
        peer = await connected(balancer, source)
        try:
            await peer.send(sent)
            assert await peer.to_end() == b""
        except ConnectionError:
            pass  # closed on what was not read: a reset
        peer.close()
        line = await balancer.line("refused")
        del line["time"]
        assert line == {"event": "refused", "reason": reason, "status": None, "client": source}
        assert await balancer.metric(f'lb_errors_total{{reason="{reason}"}}') == 1
        after = await connected(balancer)
        await after.send(encode("v1", CLIENT) + GET)
        assert status_of((await after.response())[0]) == 200
        after.close()


async def test_curl_is_understood(tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    stub = remembering()
    async with behind(stub, tmp_path, FROM_LOOPBACK) as balancer:
        command = [curl, "-sS", "--haproxy-protocol", "--fail", balancer.traffic]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stdout) == (0, "ok"), done.stderr
    assert value_of(stub.heads[0], b"x-forwarded-for") == b"127.0.0.1"


@asynccontextmanager
async def haproxy(folder: Path, text: str, port: int) -> AsyncIterator[None]:
    """HAProxy with that configuration, once it listens on `port`."""
    program = shutil.which("haproxy")
    if program is None:
        pytest.skip("haproxy is not installed")
    config = folder / "haproxy.cfg"
    config.write_text(f"defaults\n  mode http\n  timeout connect 2s\n  timeout client 5s\n  timeout server 5s\n{text}")
    process = subprocess.Popen([program, "-db", "-f", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: ASYNC220 (returns at once)

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        assert await eventually(listens), "HAProxy never listened"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2"])
async def test_haproxy_in_front_is_believed(tmp_path: Path, option: str) -> None:
    stub, port = remembering(), free_port()
    async with behind(stub, tmp_path, FROM_LOOPBACK) as balancer:
        text = f"listen front\n  bind 127.0.0.1:{port}\n  server lb 127.0.0.1:{balancer.port()} {option}\n"
        async with haproxy(tmp_path, text, port):
            peer = Peer(*await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.9", 0)))
            await peer.send(GET)
            assert status_of((await peer.response())[0]) == 200
            peer.close()
    assert [value_of(head, b"x-forwarded-for") for head in stub.heads] == [b"127.0.0.9"]


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_haproxy_behind_believes_us_its_checks_included(tmp_path: Path, version: str) -> None:
    """HAProxy demands a header on every connection, and answers with the client that it names."""
    port = free_port()
    text = f"""frontend back
  bind 127.0.0.1:{port} accept-proxy
  http-request return status 200 content-type application/json lf-string '{{"instance":"%[src]:%[src_port]"}}'
"""
    async with haproxy(tmp_path, text, port):
        config = write(
            tmp_path,
            f"discovery: {{kind: static, backends: ['h=127.0.0.1:{port}']}}",
            f"proxy_protocol: {{send: {version}}}",
        )
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            for source in ("127.0.0.5", "127.0.0.6"):
                peer = await connected(balancer, source)
                expected = peer.writer.get_extra_info("sockname")
                for _ in range(2):
                    await peer.send(GET)
                    _, body = await peer.response()
                    assert json.loads(body) == {"instance": f"{expected[0]}:{expected[1]}"}
                peer.close()


async def test_with_tcp_checks_backends_get_a_header_too(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.reader.read(1000))

    async with behind(
        Stub("api-1", script),
        tmp_path,
        "proxy_protocol: {send: v1}",
        "health: {kind: tcp, interval: 50ms, fast_interval: 50ms}",
    ):

        async def checked() -> bool:
            return len(seen) >= 2

        assert await eventually(checked)
    assert set(seen) == {b"PROXY UNKNOWN\r\n"}
