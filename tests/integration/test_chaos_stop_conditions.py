"""Stop conditions on the local runtime: what is watched is a real server on loopback."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support.chaos_client import ChaosProcess
from tests.support.chaos_supervisor import FakeSupervisor

WITHIN_S = 2.0
"""Seen and healed (docs/faults.md)."""


class Watched:
    """A service whose word can be changed, and which can go away."""

    def __init__(self) -> None:
        self.status = 200
        self.in_flight = 3
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.add_routes(
            [
                web.get("/status", self._status),
                web.get("/metrics", self._metrics),
                web.get("/json", self._json),
                web.get("/away", self._away),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _status(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=f'# TYPE lb_in_flight gauge\nlb_in_flight{{backend="api-2"}} {self.in_flight}\n')

    async def _json(self, _: web.Request) -> web.Response:
        return web.json_response({"panic": self.in_flight > 5})

    async def _away(self, _: web.Request) -> web.Response:
        raise web.HTTPFound("http://192.0.2.1/")


@pytest.fixture
async def lab() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor("api-1", "api-2", "api-3") as supervisor:
        yield supervisor


@pytest.fixture
async def chaos(lab: FakeSupervisor, tmp_path: Path) -> AsyncIterator[ChaosProcess]:
    async with ChaosProcess(lab, tmp_path) as process:
        yield process


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    service = Watched()
    await service.open()
    yield service
    await service.close()


async def order(chaos: ChaosProcess, condition: dict[str, Any], target: Any = "api-1") -> tuple[int, dict[str, Any]]:
    body = {"kind": "pause", "target": target, "duration": "60s", "stop_when": condition}
    return await chaos.call("POST", "/faults", body)


@pytest.mark.parametrize(
    "condition",
    [
        {"url": "/status", "op": ">=", "value": 500},
        {"url": "/metrics", "read": 'metric:lb_in_flight{backend="api-2"}', "op": ">", "value": 5},
        {"url": "/json", "read": "json:/panic", "op": "==", "value": True},
    ],
    ids=lambda condition: condition["url"],
)
async def test_what_crosses_the_line_ends_the_fault(
    chaos: ChaosProcess, watched: Watched, condition: dict[str, Any]
) -> None:
    status, record = await order(chaos, condition | {"url": watched.url + condition["url"]})
    assert status == 201, record
    watched.status, watched.in_flight = 503, 6
    crossed = time.monotonic()
    healed = await chaos.healed(record["id"], 5.0)
    assert healed["healed_by"] == "stop_condition"
    assert healed["healed_mono"] - crossed < WITHIN_S
    assert "stop condition" in healed["error"]


async def test_it_ends_every_fault_of_the_order_and_no_other(chaos: ChaosProcess, watched: Watched) -> None:
    other = await chaos.inject("unhealthy", "api-3", "60s", allow_last=True)
    body = {"url": f"{watched.url}/status", "op": "!=", "value": 200}
    wanted = {"kind": "pause", "target": {"names": ["api-1", "api-2"]}, "duration": "60s", "allow_last": True}
    status, placed = await chaos.call("POST", "/faults", wanted | {"stop_when": body})
    assert status == 201, placed
    watched.status = 404
    for record in placed["faults"]:
        assert (await chaos.healed(record["id"], 5.0))["healed_by"] == "stop_condition"
    assert (await chaos.call("GET", f"/faults/{other['id']}"))[1]["state"] == "active"


async def test_a_condition_that_cannot_be_seen_any_more_ends_the_fault(chaos: ChaosProcess, watched: Watched) -> None:
    status, record = await order(chaos, {"url": f"{watched.url}/status", "op": "!=", "value": 200})
    assert status == 201, record
    await watched.close()
    lost = time.monotonic()
    healed = await chaos.healed(record["id"], 5.0)
    assert healed["healed_by"] == "stop_condition"
    assert healed["healed_mono"] - lost < WITHIN_S
    assert "cannot be read" in healed["error"]


async def test_a_fault_that_ends_before_takes_its_watch_along(chaos: ChaosProcess, watched: Watched) -> None:
    _, record = await order(chaos, {"url": f"{watched.url}/status", "op": "!=", "value": 200})
    _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    assert (healed["healed_by"], healed["error"]) == ("request", None)
    assert await chaos.terminate() == 0


@pytest.mark.parametrize(
    ("condition", "code", "detail"),
    [
        ({"url": "{}/status", "op": "==", "value": 200}, 409, "already holds"),
        ({"url": "{}/gone", "read": "json:/x", "op": "==", "value": 1}, 422, "HTTP 404"),
        ({"url": "{}/json", "read": "json:/x", "op": "==", "value": 1}, 422, "the answer has no /x"),
        ({"url": "{}/away", "read": "json:/x", "op": "==", "value": 1}, 422, "HTTP 302"),
        ({"url": "http://192.0.2.1/", "op": "==", "value": 1}, 422, "neither loopback"),
        ({"url": "http://169.254.169.254/", "op": "==", "value": 1}, 422, "neither loopback"),
        ({"url": "http://0.0.0.0/", "op": "==", "value": 1}, 422, "neither loopback"),
        ({"url": "http://no-such-host.invalid/", "op": "==", "value": 1}, 422, "cannot be resolved"),
        ({"url": "https://127.0.0.1/", "op": "==", "value": 1}, 422, "stop_when.url"),
        ({"url": "{}/status", "op": "~", "value": 1}, 422, "stop_when.op"),
    ],
)
async def test_what_cannot_be_watched_refuses_the_order(
    chaos: ChaosProcess, watched: Watched, condition: dict[str, Any], code: int, detail: str
) -> None:
    status, problem = await order(chaos, condition | {"url": condition["url"].format(watched.url)})
    assert (status, detail in problem["detail"]) == (code, True), problem
    assert (await chaos.call("GET", "/faults"))[1] == {"faults": []}
