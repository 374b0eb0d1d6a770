"""The ports that control processes and faults (supervisor, relay, chaos service): whom and what they refuse."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from chaos.access.connections import MOST_CONNECTIONS
from chaos.http.event_stream import MOST_STREAMS
from chaos.relay.control import control_app, serving
from chaos.relay.relay import Relay
from lab.runtime import control_port
from lab.runtime.control_port import application
from lab.runtime.supervised_process import Process
from lab.runtime.supervisor_api import application as supervisor
from lab.runtime.topology import Role, Spec
from tests.support.chaos_client import TOKEN as CHAOS_TOKEN
from tests.support.chaos_client import ChaosProcess
from tests.support.chaos_supervisor import FakeSupervisor
from tests.support.fake_backends import FakeBackends
from tests.support.open_files import more_open_files

TOKEN = "of the port"


class Port(NamedTuple):
    url: str
    token: str
    read: str
    """A path to GET."""
    change: tuple[str, str]
    """A method and path that takes a JSON body."""


@asynccontextmanager
async def supervisor_port(_: Path) -> AsyncIterator[Port]:
    app = supervisor({}, asyncio.Event(), TOKEN, FakeBackends())
    async with control_port.serving(app, 0) as port:
        yield Port(f"http://127.0.0.1:{port}", TOKEN, "/processes", ("POST", "/backends"))


@asynccontextmanager
async def relay_port(_: Path) -> AsyncIterator[Port]:
    relay = Relay(("127.0.0.1", 0), ("127.0.0.1", 9))
    async with serving(control_app(relay, TOKEN), "127.0.0.1", 0) as port:
        yield Port(f"http://127.0.0.1:{port}", TOKEN, "/state", ("PUT", "/fault"))


@asynccontextmanager
async def chaos_port(state: Path) -> AsyncIterator[Port]:
    async with FakeSupervisor() as fake, ChaosProcess(fake, state) as chaos:
        yield Port(chaos.url, CHAOS_TOKEN, "/targets", ("POST", "/faults"))


@pytest.fixture(params=[supervisor_port, relay_port, chaos_port], ids=["supervisor", "relay", "chaos"])
async def port(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Port]:
    async with request.param(tmp_path) as opened:
        yield opened


async def call(port: Port, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {port.token}", "Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as client,
        client.request(method, port.url + path, data=body, headers=sent) as it,
    ):
        answer = await it.json()
    assert it.status < 400 or {"error", "detail"} <= answer.keys() <= {"error", "detail", "possible"}
    return it.status, answer


async def test_who_has_the_token_is_served(port: Port) -> None:
    assert (await call(port, "GET", port.read))[0] == 200


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", "Basic b2YgdGhlIHBvcnQ="])
async def test_nothing_is_told_or_changed_without_the_token(port: Port, token: str) -> None:
    for method, path in (("GET", port.read), port.change, ("GET", "/nowhere")):
        status, answer = await call(port, method, path, Authorization=token)
        assert (status, answer["error"]) == (401, "unauthorized")


async def test_a_token_that_is_no_text_is_a_wrong_one(port: Port) -> None:
    host = port.url.removeprefix("http://")
    head = f"GET {port.read} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer ".encode()
    reader, writer = await asyncio.open_connection(*host.split(":"))
    writer.write(head + b"\xff\xfe\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
    writer.close()


@pytest.mark.parametrize("host", ["rebound.example.org", "rebound.example.org:8082", ""])
async def test_a_name_that_dns_could_point_here_is_refused(port: Port, host: str) -> None:
    for method, path in (("GET", port.read), port.change):
        assert (await call(port, method, path, Host=host))[0] == 403


@pytest.mark.parametrize("origin", ["http://rebound.example.org", "null", "http://127.0.0.1:1"])
async def test_pages_of_other_sites_are_refused(port: Port, origin: str) -> None:
    for method, path in (("GET", port.read), port.change):
        assert (await call(port, method, path, Origin=origin))[0] == 403


@pytest.mark.parametrize("body", [b"[" * 60_000, b"[" * 17 + b"]" * 17, b'{"a":' * 900 + b"1" + b"}" * 900])
async def test_json_that_is_too_deep_is_refused(port: Port, body: bytes) -> None:
    status, answer = await call(port, *port.change, body)
    assert (status, answer["error"]) == (400, "too_deep")


async def test_a_body_of_3_mb_is_refused(port: Port) -> None:
    assert (await call(port, *port.change, json.dumps("a" * 3_000_000).encode()))[0] == 413
    assert (await call(port, "GET", port.read))[0] == 200


@pytest.mark.parametrize("body", [b'{"kind": "\\ud800"}', b'{"kind": NaN}', b'{"\\ud800": 1}'])
async def test_what_utf_8_or_json_cannot_say_is_refused(port: Port, body: bytes) -> None:
    assert (await call(port, *port.change, body))[0] == 422


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "9" * 400, "-1", "true", "1e13"])
async def test_a_relay_refuses_numbers_that_no_timer_knows(tmp_path: Path, number: str) -> None:
    async with relay_port(tmp_path) as port:
        body = f'{{"kind": "delay", "duration_s": {number}}}'.encode()
        assert (await call(port, *port.change, body))[0] == 422


@pytest.mark.parametrize(
    "environment", [{"": "a"}, {"A=B": "c"}, {"A": "b\0"}, {"A\0": "b"}, {"A": "\ud800"}, {"A": 1}, [], "A=b"]
)
async def test_an_environment_that_no_process_can_have_is_refused(tmp_path: Path, environment: object) -> None:
    spec = Spec("api-1", Role.API, ("true",), {}, "", "127.0.0.1:1", restarted=False)
    app = supervisor({"api-1": Process(spec, tmp_path)}, asyncio.Event(), TOKEN, FakeBackends())
    async with control_port.serving(app, 0) as number:
        port = Port(f"http://127.0.0.1:{number}", TOKEN, "", ("", ""))
        body = json.dumps({"environment": environment}).encode()
        status, answer = await call(port, "POST", "/processes/api-1/start", body)
        assert (status, answer["error"]) == (422, "bad_environment")


async def test_a_plan_as_long_as_a_monkey_may_have_is_taken(tmp_path: Path) -> None:
    async with chaos_port(tmp_path) as port:
        step = {"at_s": 1, "kind": "pause", "target": "api-1", "duration": "1s", "params": {}}
        plan = {"version": 1, "duration_s": 60, "steps": [step] * 20_000}
        status, answer = await call(port, "POST", "/monkeys?dry_run=1", json.dumps(plan).encode())
        assert (status, len(answer["steps"])) == (200, 20_000)
        assert (await call(port, "POST", "/monkeys", b"[" * 4_200_000))[0] == 413


async def test_connections_beyond_the_limit_are_told_so(port: Port) -> None:
    assert control_port.MOST_CONNECTIONS == MOST_CONNECTIONS, "one limit for all"
    host, number = port.url.removeprefix("http://").split(":")
    with ExitStack() as held:
        held.enter_context(more_open_files(2 * MOST_CONNECTIONS + 200))
        for _ in range(MOST_CONNECTIONS - 40):
            _, writer = await asyncio.open_connection(host, number)
            held.callback(writer.close)
        # A burst, of which none is made before the last is accepted; it is not longer than the shortest backlog.
        burst = [held.enter_context(socket.create_connection((host, int(number)))) for _ in range(80)]
        streams = [await asyncio.open_connection(sock=sock) for sock in burst]
        answers = await asyncio.gather(*(_answered(reader) for reader, _ in streams))
    refused = [answer for answer in answers if answer]
    assert 40 <= len(refused) <= 42  # the test itself may hold one, after asking whether the service is ready
    for answer in refused:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body)["error"] == "too_many"


async def _answered(reader: asyncio.StreamReader) -> bytes:
    """What came until the server closed; nothing, where it waits for a request."""
    try:
        return await asyncio.wait_for(reader.read(), 3)
    except TimeoutError:
        return b""


async def test_every_route_that_is_added_is_guarded() -> None:
    app = application(TOKEN)
    async with control_port.serving(app, 0) as port:
        url = f"http://127.0.0.1:{port}"
        assert (await call(Port(url, "wrong", "", ("", "")), "GET", "/new"))[0] == 401
        assert (await call(Port(url, TOKEN, "", ("", "")), "GET", "/new"))[0] == 404


async def test_the_65th_event_stream_is_refused_until_another_ends(tmp_path: Path) -> None:
    async with chaos_port(tmp_path) as port, AsyncExitStack() as open_streams:
        client = await open_streams.enter_async_context(
            aiohttp.ClientSession(
                headers={"Authorization": f"Bearer {port.token}"}, connector=aiohttp.TCPConnector(limit=0)
            )
        )
        streams = [await client.get(f"{port.url}/events") for _ in range(MOST_STREAMS)]
        assert {stream.status for stream in streams} == {200}
        assert (await call(port, "GET", "/events"))[1]["error"] == "too_many"
        assert (await call(port, "GET", port.read))[0] == 200
        streams.pop().close()
        async with asyncio.timeout(10):
            while (again := await client.get(f"{port.url}/events")).status == 503:  # until the service has seen it
                again.close()
        streams.append(again)
        for stream in streams:
            stream.close()
