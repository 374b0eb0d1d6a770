from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lab.runtime import ports
from lab.runtime.supervised_process import Process
from lab.runtime.supervisor import Supervisor
from lab.runtime.topology import Layout, local_lab

TOKEN = "of this lab's chaos"


@pytest.fixture
async def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Supervisor]]:
    """A lab of which nothing runs; somebody who has `relays` and `token` listens on its ports."""
    monkeypatch.setattr("lab.runtime.supervisor.OURS_WITHIN_S", 0.2)
    spare = ports.free_ports()
    port = next(spare)
    layout = Layout(tmp_path, port, port, port, "http://127.0.0.1:1", "", TOKEN, "", "", "")
    ours = Supervisor([Process(spec, tmp_path) for spec in local_lab(layout, spare)], layout, asyncio.Event(), spare)
    state: dict[str, object] = {"relays": [], "token": ""}

    async def backends(_: web.Request) -> web.Response:
        return web.json_response({"backends": [{"address": each} for each in state["relays"]]})  # type: ignore[attr-defined]

    async def targets(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers["Authorization"] == f"Bearer {state['token']}" else 401)

    app = web.Application()
    app.router.add_get("/backends", backends)
    app.router.add_get("/targets", targets)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, ports.LOOPBACK, port).start()

    def listening(relays: list[str], token: str) -> Supervisor:
        state.update(relays=relays, token=token)
        return ours

    yield listening
    await runner.cleanup()


def own_relays(lab: Supervisor) -> list[str]:
    return [lab.processes[f"api-{number}"].spec.address for number in (1, 2, 3)]


async def problem(lab: Supervisor) -> str:
    async with aiohttp.ClientSession() as session:
        failed = await lab._foreign(session)
    return failed.message if failed else ""


async def test_a_balancer_with_other_backends_is_not_ours(supervisor: Callable[..., Supervisor]) -> None:
    assert "not by this lab's lb" in await problem(supervisor(["127.0.0.1:1"], TOKEN))


async def test_a_chaos_service_with_another_token_is_not_ours(supervisor: Callable[..., Supervisor]) -> None:
    lab = supervisor([], "of another lab")
    supervisor(own_relays(lab), "of another lab")
    assert "not by this lab's chaos" in await problem(lab)


async def test_who_has_our_relays_and_our_token_is_ours(supervisor: Callable[..., Supervisor]) -> None:
    lab = supervisor([], TOKEN)
    supervisor(own_relays(lab), TOKEN)
    assert await problem(lab) == ""
