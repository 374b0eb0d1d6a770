"""A whole lab in one event loop: balancer, backends and chaos service faked behind the real HTTP interfaces.

The fake balancer spreads round robin, and knows of a fault `detect_s` after it begins and of its end `readmit_s` after
it is healed. Its vices are switches, so that tests can plant a bug and watch the verdict.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from lab.services.endpoints import Endpoints

TOKEN = "secret"
NAMES = ("api-1", "api-2", "api-3")


class Stream:
    """Events with sequence numbers, replayed to whoever follows."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def emit(self, kind: str, **data: Any) -> None:
        self.events.append({"seq": len(self.events) + 1, "mono": time.monotonic(), "type": kind, **data})
        self._changed.set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent = int(request.query.get("since", "0"))
        while True:
            for event in self.events[sent:]:
                await response.write(f"id: {event['seq']}\ndata: {json.dumps(event)}\n\n".encode())
            sent = len(self.events)
            self._changed.clear()
            await self._changed.wait()


@dataclass(eq=False)
class Replica:
    """One fake backend and what the balancer and the chaos service know of it."""

    name: str
    state: str = "up"
    faulted: bool = False
    working: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.working.set()


class FakeLab:
    """All of it. Change the switches before the run."""

    def __init__(self) -> None:
        self.replicas = {name: Replica(name) for name in NAMES}
        self.detect_s = 0.1
        self.readmit_s = 0.1
        self.bound_s = 0.5
        self.patience_s = 0.2
        """An attempt on a faulted backend is given up after this long, and repeated elsewhere."""
        self.never_ejects = False
        self.never_readmits = False
        self.retries_jobs = False
        self.forgets_jobs = False
        self.fault_bites = True
        self.refuses_faults = False
        self.ledger_is_readable = True
        self.names_backends: Callable[[str], dict[str, str]] | None = None
        """Headers of an answer by the name of its backend, instead of Reroute's."""
        self.lb = Stream()
        self.chaos = Stream()
        self.ledger: list[dict[str, Any]] = []
        self.history_reset: list[str] = []
        self.faults: dict[str, dict[str, Any]] = {}
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiries: dict[str, asyncio.Task[None]] = {}

    # --- the balancer ---
    async def traffic(self, request: web.Request) -> web.Response:
        if request.path == "/ledger":
            return self._ledger(request.query["prefix"])
        body = await request.read()
        tried: list[str] = []
        for replica in self._order():
            tried.append(replica.name)
            headers = {"X-Tried": ",".join(tried), "X-Backend": replica.name, "X-Instance": replica.name}
            if self.names_backends is not None:
                headers = self.names_backends(replica.name)
            if await self._attempt(replica, body):
                return web.json_response({"ok": True, "by": replica.name}, headers=headers)
            if request.method == "POST" and not self.retries_jobs:
                return web.json_response({}, status=504, headers={**headers, "X-Lb-Error": "timeout"})
        named = {} if self.names_backends else {"X-Lb-Error": "no_backend", "X-Tried": ",".join(tried)}
        return web.json_response({}, status=503, headers=named)

    def _order(self) -> list[Replica]:
        usable = [each for each in self.replicas.values() if each.state == "up"]
        start = next(self._turn) % max(1, len(usable))
        return usable[start:] + usable[:start]

    async def _attempt(self, replica: Replica, body: bytes) -> bool:
        try:
            async with asyncio.timeout(self.patience_s):
                await replica.working.wait()
        except TimeoutError:
            return False
        if body and not self.forgets_jobs:
            self.ledger.append({"id": json.loads(body)["id"], "instance": replica.name, "mono": time.monotonic()})
        return True

    def _ledger(self, prefix: str) -> web.Response:
        if not self.ledger_is_readable:
            return web.json_response({"error": "no_ledger"}, status=500)
        return web.json_response({"entries": [each for each in self.ledger if each["id"].startswith(prefix)]})

    def _move(self, replica: Replica, state: str) -> None:
        if replica.state != state:
            self.lb.emit("transition", backend=replica.name, old=replica.state, new=state, reason="fake")
            replica.state = state

    async def backends(self, _: web.Request) -> web.Response:
        rows = [
            {"id": name, "name": name, "address": f"127.0.0.1:{port}", "state": each.state}
            for port, (name, each) in enumerate(self.replicas.items(), 9001)
        ]
        return web.json_response({"backends": rows})

    async def reset_history(self, request: web.Request) -> web.Response:
        self.history_reset.append(request.match_info["name"])
        return web.json_response({})

    async def bounds(self, _: web.Request) -> web.Response:
        rows = [
            {"fault": kind, "reroute_s": self.bound_s, "reroute_traffic_s": 0.3, "readmit_s": 0.5, "formula": "fake"}
            for kind in ("kill", "pause", "delay")
        ]
        return web.json_response({"bounds": rows})

    # --- the chaos service ---
    async def capabilities(self, _: web.Request) -> web.Response:
        kinds = ("kill", "pause", "delay")
        return web.json_response({"runtime": "fake", "faults": {kind: {"possible": True} for kind in kinds}})

    async def targets(self, _: web.Request) -> web.Response:
        rows = [
            {"name": name, "role": "api", "state": "running", "instance": name, "addresses": [], "faults": []}
            for name in self.replicas
        ]
        return web.json_response({"targets": rows})

    async def inject(self, request: web.Request) -> web.Response:
        if self.refuses_faults:
            return web.json_response({"error": "impossible", "detail": "no such fault here"}, status=501)
        asked = await request.json()
        now = time.monotonic()
        fault_id = f"f{len(self.faults) + 1}"
        record = {
            "id": fault_id, "kind": asked["kind"], "target": asked["target"], "state": "active", "mechanism": "fake",
            "injected_mono": now, "bit": self.fault_bites, "evidence": "no answer in 300 ms",
            "heal_started_mono": None, "healed_mono": None, "error": None,
        }  # fmt: skip
        self.faults[fault_id] = record
        if self.fault_bites:
            self._break(self.replicas[asked["target"]])
        duration_s = int(asked["duration"].removesuffix("ms")) / 1000
        self._expiries[fault_id] = self._later(duration_s, fault_id)
        self.chaos.emit("fault_injected", target=asked["target"], fault={**record})
        return web.json_response(record, status=201)

    def _break(self, replica: Replica) -> None:
        replica.faulted = True
        replica.working.clear()
        if not self.never_ejects:
            self._spawn(self._detect(replica))

    async def _detect(self, replica: Replica) -> None:
        await asyncio.sleep(self.detect_s)
        if replica.faulted:
            self._move(replica, "down")

    def _later(self, delay_s: float, fault_id: str) -> asyncio.Task[None]:
        async def expire() -> None:
            await asyncio.sleep(delay_s)
            self._heal(fault_id)

        return self._spawn(expire())

    def _heal(self, fault_id: str) -> None:
        record = self.faults[fault_id]
        if record["state"] == "healed":
            return
        replica = self.replicas[record["target"]]
        record.update(state="healed", heal_started_mono=time.monotonic(), healed_mono=time.monotonic())
        replica.faulted = False
        replica.working.set()
        self.chaos.emit("fault_healed", target=record["target"], fault={**record})
        if not self.never_readmits:
            self._spawn(self._readmit(replica))

    async def _readmit(self, replica: Replica) -> None:
        await asyncio.sleep(self.readmit_s)
        self._move(replica, "up")

    async def list_faults(self, _: web.Request) -> web.Response:
        return web.json_response({"faults": [*self.faults.values()]})

    async def show_fault(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults[request.match_info["id"]])

    async def delete_fault(self, request: web.Request) -> web.Response:
        fault_id = request.match_info["id"]
        self._expiries[fault_id].cancel()
        self._heal(fault_id)
        return web.json_response(self.faults[fault_id])

    def _spawn(self, job: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        return task

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _clock(_: web.Request) -> web.Response:
    return web.json_response({"mono": time.monotonic(), "unix": time.time()})


async def _config(_: web.Request) -> web.Response:
    return web.json_response({"health": {"interval": "500ms"}})


@web.middleware
async def _guarded(request: web.Request, handler: Any) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({"error": "unauthorized"}, status=401)
    response: web.StreamResponse = await handler(request)
    return response


@asynccontextmanager
async def fake_lab(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[FakeLab, Endpoints]]:
    """`tls` is for the traffic port."""
    lab = FakeLab()
    traffic, admin, chaos = web.Application(), web.Application(), web.Application(middlewares=[_guarded])
    traffic.router.add_route("*", "/{any:.*}", lab.traffic)
    admin.add_routes(
        [
            web.get("/clock", _clock),
            web.get("/config", _config),
            web.get("/backends", lab.backends),
            web.put("/backends/{name}", lab.reset_history),
            web.get("/bounds", lab.bounds),
            web.get("/events", lab.lb.serve),
        ]
    )
    chaos.add_routes(
        [
            web.get("/clock", _clock),
            web.get("/targets", lab.targets),
            web.get("/capabilities", lab.capabilities),
            web.get("/events", lab.chaos.serve),
            web.get("/faults", lab.list_faults),
            web.post("/faults", lab.inject),
            web.get("/faults/{id}", lab.show_fault),
            web.delete("/faults/{id}", lab.delete_fault),
        ]
    )
    runners = [web.AppRunner(app, shutdown_timeout=0.1, access_log=None) for app in (traffic, admin, chaos)]
    try:
        urls = [await _open(runners[0], tls), *[await _open(runner) for runner in runners[1:]]]
        yield lab, Endpoints(*urls, chaos_token=TOKEN, runtime="local", balancer="fake")
    finally:
        lab.stop()
        for runner in runners:
            await runner.cleanup()


async def _open(runner: web.AppRunner, tls: ssl.SSLContext | None = None) -> str:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    return f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
