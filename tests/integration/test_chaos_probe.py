"""Direct probes: whether there is a route, and what a backend is asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from chaos.drivers.probe import REACTS_WITHIN_S, Address, Answer, Health, ask, why_no_route
from tests.support.free_ports import free_port

ASK = "import sys; from chaos.drivers.probe import why_no_route; print(why_no_route((sys.argv[1], 80)))"


def test_loopback_has_a_route_and_a_name_is_not_judged() -> None:
    assert why_no_route(("127.0.0.1", 80)) == ""
    assert why_no_route(("no-such-name.invalid", 80)) == ""


@pytest.mark.parametrize("address", ["fd00::2", "10.0.0.2"])
def test_in_a_network_namespace_without_interfaces_nothing_has_a_route(address: str) -> None:
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", ASK, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip("this kernel gives no network namespace")
    reasons = {"network is unreachable", "cannot assign requested address"}  # which one depends on the IP version
    assert done.stdout.strip() in reasons, done.stderr


# --- the health check that was configured ---
async def answered(health: Health, behaviour: Callable[[bytes], bytes | None]) -> tuple[Answer, list[bytes]]:
    """The answer of a server that has read something, or the end of the stream; and what it has read."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1 << 16))
        if (answer := behaviour(asked[-1])) is None:
            await asyncio.sleep(60)  # longer than any probe waits; cancelled with the server
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    address = Address("127.0.0.1", server.sockets[0].getsockname()[1], health)
    answer = await ask(address, timeout_s=2.0)
    server.close()
    return answer, asked


@pytest.mark.parametrize(
    ("status", "healthy"),
    [(200, True), (204, True), (302, True), (399, True), (404, False), (500, False), (101, False)],
)
async def test_a_request_for_the_configured_path_is_healthy_with_2xx_or_3xx(status: int, healthy: bool) -> None:
    answer, asked = await answered(Health("/up?x=1", "shop.test"), lambda _: b"HTTP/1.1 %d x\r\n\r\n" % status)
    assert (answer.status, answer.ok) == (status, healthy)
    assert asked[0].startswith(b"GET /up?x=1 HTTP/1.1\r\nHost: shop.test\r\n")


async def test_without_a_host_the_address_is_the_host() -> None:
    _, asked = await answered(Health(), lambda _: b"")
    assert asked[0].startswith(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(("behaviour", "reacted"), [(b"", True), (b"bye", True), (None, False)])
async def test_a_connection_is_enough_and_its_end_shows_who_still_works(behaviour: bytes | None, reacted: bool) -> None:
    answer, asked = await answered(Health(tcp=True), lambda _: behaviour)
    assert (answer.ok, answer.reacted, answer.status) == (True, reacted, None)
    assert asked == [b""], "nothing was sent"
    assert answer.took_s < REACTS_WITHIN_S, "only the connection is timed"


async def test_nobody_listens() -> None:
    answer = await ask(Address("127.0.0.1", free_port(), Health(tcp=True)), timeout_s=1.0)
    assert (answer.ok, answer.failure) == (False, "refused")
