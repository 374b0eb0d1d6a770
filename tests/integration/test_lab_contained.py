"""No client of ours follows a redirect, all of them send the Host header asked for, and sockets are watched."""

from __future__ import annotations

import asyncio
import sys
import urllib.error
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lab.errors import EnvironmentProblemError
from lab.processes.direct_http import direct_opener
from lab.processes.readiness import ask
from lab.runtime.socket_watch import end_if_it_leaves
from lab.runtime.supervised_process import Process
from lab.runtime.topology import Role, Spec
from lab.services.balancer_view import OpaqueBalancer
from lab.services.clients import ChaosClient, TrafficPort
from lab.services.endpoints import Endpoints

HOST = "app.example.test"


class Site:
    """Forwards nothing: redirects every path to `/elsewhere`, which it counts; answers 200 for one Host."""

    def __init__(self) -> None:
        self.followed = 0
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/elsewhere":
            self.followed += 1
        if request.path == "/targets":
            return web.json_response({"targets": [{"name": "api-1", "instance": "api-1"}]})
        if request.headers["Host"] == HOST:
            return web.json_response({"entries": []}, headers={"X-Instance": "api-1"})
        raise web.HTTPMovedPermanently("/elsewhere")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    yield made
    await runner.cleanup()


def endpoints(site: Site, host: str = "") -> Endpoints:
    return Endpoints(site.url, "", site.url, "", "local", host=host)


async def test_no_client_follows_a_redirect(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        told = str(await ask(session, f"{site.url}/health"))
        assert told == "status 301, Location /elsewhere (redirects are not followed)"
        view = OpaqueBalancer(session, endpoints(site), ChaosClient(session, endpoints(site)))
        assert [each["state"] for each in await view.backends()] == ["unseen"]
        assert "is answered with status 301, Location /elsewhere" in view.refusal()
        with pytest.raises(EnvironmentProblemError):
            await TrafficPort(session, endpoints(site)).ledger("x")
    with pytest.raises(urllib.error.HTTPError, match="301"):
        await asyncio.to_thread(direct_opener().open, f"{site.url}/health", timeout=5)
    assert site.followed == 0


async def test_the_host_header_goes_with_all_that_is_asked_through_the_balancer(site: Site) -> None:
    async with aiohttp.ClientSession() as session:
        assert (await ask(session, f"{site.url}/health", HOST)).works
        view = OpaqueBalancer(session, endpoints(site, HOST), ChaosClient(session, endpoints(site)))
        assert [each["state"] for each in await view.backends()] == ["up"]
        assert view.refusal() == ""
        assert await TrafficPort(session, endpoints(site, HOST)).ledger("x") == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tables are read from Linux' /proc")
async def test_who_listens_beyond_loopback_is_ended_with_the_line_that_is_to_blame(tmp_path: Path) -> None:
    code = (
        "import socket, time; s = socket.create_server(('0.0.0.0', 0));"
        "print(s.getsockname()[1], flush=True); time.sleep(600)"
    )
    process = Process(Spec("lb", Role.LB, (sys.executable, "-c", code), {}, "", "", restarted=False), tmp_path)
    await process.start()
    try:
        async with asyncio.timeout(30):
            while not process.log_tail():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)
            file = tmp_path / "haproxy.cfg"
            file.write_text(f"frontend f\n bind *:{process.log_tail()[0]}\n")
            assert await end_if_it_leaves(process, set(), [file])
        assert not process.running
        assert process.ended_for.startswith(f"{file}:2: lb was ended: it listens on 0.0.0.0:")
        assert process.log_tail()[-1] == f"lab: {process.ended_for}"
    finally:
        await process.stop()
