"""A log that nobody reads costs lines, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.lb_shell.balancer_process import running_balancer
from tests.support.lb_shell.stubs import naming, started, write
from tests.support.raw_http import Peer, Stub, answering, status_of, value_of

REFUSED = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"


async def connected(port: int) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", port))


async def test_a_reader_that_stalls_stalls_no_request_and_lost_lines_are_counted(tmp_path: Path) -> None:
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), "access_log: {sample: 100%}")
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            # 64 KiB of pipe and 10,000 lines of about 350 bytes may wait; the test reads none of them.
            peer = await connected(balancer.port())
            for _ in range(120):
                await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
                for _ in range(100):
                    assert status_of((await peer.response())[0]) == 200
            peer.close()
            assert await balancer.metric('lb_requests_total{backend="api-1",method="GET",status="2xx"}') == 12_000
            assert await balancer.metric("lb_log_lines_dropped_total") > 0


async def test_a_request_that_is_refused_is_one_line_with_its_reason(tmp_path: Path) -> None:
    stub = Stub("api-1", answering())
    async with started(stub), running_balancer("--config", str(write(tmp_path, naming(stub)))) as balancer:
        peer = await connected(balancer.port())
        await peer.send(REFUSED)
        head, _ = await peer.response()
        assert await peer.to_end() == b""
        peer.close()
        line = await balancer.line("refused")

    assert line["status"] == status_of(head) == 400
    assert line["client"] == "127.0.0.1"
    assert line["reason"].encode() == value_of(head, b"x-lb-error")
