"""Each HTTP API of the project without sockets: the real application behind its real server protocol, in memory."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Literal, cast

import httptools
import pytest
import uvicorn
from aiohttp import web
from ruamel.yaml.comments import CommentedMap
from starlette.routing import Route
from uvicorn.server import ServerState

from api.app import create_app as api_app
from api.connection import Limits
from api.connection import connections as backend_connections
from api.models import Ok
from api.replica import Replica
from api.settings import Settings as ApiSettings
from api.work import Burner
from chaos.engine.engine import Engine
from chaos.engine.events import EventLog
from chaos.engine.journal import Journal
from chaos.faults import FAULTS
from chaos.http.connection import Patience
from chaos.http.connection import connections as chaos_connections
from chaos.http.routes import create_app as chaos_app
from chaos.monkey.monkey_runner import MonkeyRunner
from chaos.relay.control import control_app
from chaos.relay.relay import Relay
from lab.runtime.supervised_process import Process
from lab.runtime.supervisor_api import application as supervisor_app
from lab.runtime.topology import Role, Spec
from lb.admin.openapi import document
from lb.config.file_reader import parse
from lb.core.policies import POLICIES
from lb.service import Service
from lb.telemetry.log_writer import LogWriter
from tests.support.api_calls import Call, Caller, Operation, of_document
from tests.support.chaos_fakes import FakeRuntime
from tests.support.chaos_matrix import sample_params
from tests.support.chaos_world import fast_probes
from tests.support.fake_backends import FakeBackends
from tests.support.wires import Wire, turns

TOKEN = "a-token-of-the-fuzzer"
"""Of every API that has one."""
UNHEARD = {
    400: "what the HTTP parser refused",
    405: "a WebSocket's handshake by another method than GET",
    417: "an expectation that no server knows (RFC 9110 §10.1.1)",
}
"""Answered by the server's own protocol, as plain text: no request has come as far as the API."""
Connect = Callable[[], asyncio.Protocol]
PATIENCE_S = 10.0
LIMITS = Limits(idle_s=75.0, head_s=PATIENCE_S, body_s=PATIENCE_S, connections=1000)
SLOW_S = 0.05
"""For what was asked to take long, and for what never ends."""
NAMES = ("api-1", "api-2", "api-3")


@dataclass(frozen=True, slots=True)
class Api:
    """One API, and how its answers are to be judged."""

    name: str
    connect: Connect
    """A new connection of its server."""
    operations: Sequence[Operation]
    health: str
    schemas: Mapping[str, Any] = field(default_factory=dict)
    words: Sequence[str] = NAMES
    may_refuse: Mapping[tuple[str, int, str], str] = field(default_factory=dict)
    """Path, status of 500 or more, and the word in the error's body, with the reason why this is right."""
    slow: frozenset[str] = frozenset()
    """Paths whose answer lasts as long as the call says, or for ever."""
    after: Callable[[], None] = lambda: None
    """What undoes a call that would change all later answers."""

    def may_last(self, call: Call) -> bool:
        """Whether no answer is an answer."""
        return call.operation.path in self.slow

    def caller(self, seed: int) -> Caller:
        """Its calls."""
        return Caller(Random(seed), self.operations, self.schemas, self.words, TOKEN)


@dataclass(slots=True)
class Answer:
    """What came back; status 0: nothing."""

    status: int
    kind: str
    body: bytes
    complete: bool
    closed: bool

    def problem(self, api: Api, call: Call) -> str:
        """Why it is not right; empty where it is."""
        if not self.status:
            return "no answer" if call.whole and not self.closed and not api.may_last(call) else ""
        if self.status < 400:
            return ""
        if self.kind.startswith("text/plain") and self.status in UNHEARD:
            return ""
        try:
            told = json.loads(self.body) if self.body or call.method != "HEAD" else {"error": "(HEAD)"}
        except ValueError:
            return f"an error that is no JSON: {self}"
        word = told.get("error", "(unready)" if "reason" in told else None) if isinstance(told, dict) else None
        if not isinstance(word, str):
            return f"an error of another shape: {self}"
        if self.status >= 500 and word != "(HEAD)" and (call.operation.path, self.status, word) not in api.may_refuse:
            return f"a server error: {self}"
        return ""


class _Parsed:
    """llhttp as a client; it cannot be told of HEAD."""

    def __init__(self, method: str) -> None:
        self.answer = Answer(0, "", b"", complete=False, closed=False)
        self._method = method
        self._parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.answer.kind = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self.answer.status = status if status >= 200 else 0
        self.answer.complete = bool(self.answer.status) and self._method == "HEAD"

    def on_body(self, part: bytes) -> None:
        if len(self.answer.body) < 1 << 20:
            self.answer.body += part

    def on_message_complete(self) -> None:
        self.answer.complete = bool(self.answer.status)

    def feed(self, data: bytes) -> None:
        if not self.answer.complete:
            with suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._parser.feed_data(data)


async def answer(api: Api, call: Call) -> Answer:
    """Make the call on a connection of its own."""
    parsed = _Parsed(call.method)

    def written(wire: Wire) -> None:
        parsed.feed(wire.writes.pop())

    wire = Wire(api.connect(), written)
    loop = asyncio.get_running_loop()
    for segment in call.segments:
        wire.feed(segment)
        await asyncio.sleep(0)
    if not call.whole:
        wire.end()
    until = loop.time() + PATIENCE_S
    steps = 0
    while not (parsed.answer.complete or wire.ended) and loop.time() < until:
        steps += 1
        await asyncio.sleep(0 if steps < 50 else 0.001)
        if steps == 50 and (api.may_last(call) or not call.whole):
            until = loop.time() + SLOW_S
    await turns()
    parsed.answer.closed = bool(wire.ended)
    wire.close()
    await asyncio.sleep(0)
    api.after()
    return parsed.answer


async def lives(api: Api) -> bool:
    """Whether it answers its health check."""
    request = f"GET {api.health} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
    call = Call(Operation("GET", api.health), "GET", [request], whole=True)
    return (await answer(api, call)).status == 200


def of_routes(app: web.Application, examples: Mapping[tuple[str, str], Sequence[Any]]) -> list[Operation]:
    """Every route of an application of aiohttp's."""
    found = [
        Operation(
            route.method, route.resource.canonical, examples=examples.get((route.method, route.resource.canonical), ())
        )
        for route in app.router.routes()
        if route.resource is not None
    ]
    assert set(examples) <= {(each.method, each.path) for each in found}
    return found


def of_asgi(app: Any) -> tuple[list[Operation], Mapping[str, Any]]:
    """Every operation of the document, and the routes that no document lists, such as its own."""
    operations, schemas = of_document(app.openapi())
    listed = {each.path for each in operations}
    routes: Iterable[Any] = app.routes
    unlisted = [Operation("GET", each.path) for each in routes if isinstance(each, Route) and each.path not in listed]
    return [*operations, *unlisted], schemas


def _by_uvicorn(app: Any, protocol: Callable[..., asyncio.Protocol], *, websockets: bool = False) -> Connect:
    ws: Literal["auto", "none"] = "auto" if websockets else "none"
    http = cast(type[asyncio.Protocol], protocol)
    config = uvicorn.Config(app, http=http, ws=ws, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    return lambda: protocol(config=config, server_state=state, app_state={})


@asynccontextmanager
async def _by_aiohttp(app: web.Application) -> AsyncIterator[Connect]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    server = runner.server
    assert server is not None
    try:
        yield server
    finally:
        await runner.cleanup()


# --- the five ---


@asynccontextmanager
async def balancer(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The admin API of a balancer that carries no traffic."""
    backends = ",".join(f"{name}=127.0.0.1:{port}" for port, name in enumerate(NAMES, 9))
    config = parse(
        CommentedMap(),
        "none",
        {"LB_DISCOVERY__KIND": "static", "LB_DISCOVERY__BACKENDS": backends, "LB_ADMIN__TOKEN": TOKEN},
    )
    service = Service(config, LogWriter(io.StringIO()), lambda: config)
    await service._control.discover_once()
    app = service._admin.app()
    operations, schemas = of_document(document(app, "1"))
    async with _by_aiohttp(app) as connect:
        yield Api(
            "balancer", connect, operations, "/healthz", schemas,
            words=(*NAMES, *POLICIES, "nobody", "127.0.0.1:12", "new=127.0.0.1:13"),
            may_refuse={
                ("/readyz", 503, "(unready)"): "no backend was probed",
                ("/events", 503, "too_many"): "64 streams; one that was left is noticed at its next heartbeat",
            },
            slow=frozenset({"/events"}),
        )  # fmt: skip


@asynccontextmanager
async def backend(folder: Path, _: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """A replica that burns no CPU and misbehaves for one call only."""
    replica = Replica.create(ApiSettings(instance="api-1", ledger_dir=folder))
    replica.burner.close()
    replica.burner = cast(Burner, _Idle())
    app = api_app(replica)
    operations, schemas = of_asgi(app)
    yield Api(
        "backend", _by_uvicorn(app, backend_connections(LIMITS), websockets=True),
        [*operations, Operation("GET", "/ws")], "/health", schemas,
        words=("run-7/42", "error", "hang", "slow", "unhealthy", "lie", "ok"),
        may_refuse={
            ("/work", 504, "deadline_passed"): "X-Deadline is over",
            ("/jobs", 504, "deadline_passed"): "X-Deadline is over",
        },
        slow=frozenset({"/work", "/jobs", "/stream", "/ws", "/echo"}),
        after=lambda: replica.conduct.set(Ok()),
    )  # fmt: skip
    replica.ledger.close()


class _Idle:
    async def run(self, *_: object) -> None:
        return


@asynccontextmanager
async def chaos(folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The chaos service on targets that are a word each."""
    runtime, events = FakeRuntime(*NAMES), EventLog()
    fast_probes(patch, runtime)
    engine = Engine(runtime, Journal(folder), events, 300.0)
    troop = MonkeyRunner(engine, runtime, events)
    app = chaos_app(engine, runtime, events, troop, TOKEN)
    operations, schemas = of_asgi(app)
    orders = [
        {"kind": kind, "target": target, "duration": "100ms", "params": sample_params(kind)}
        for kind in FAULTS
        for target in (*NAMES, {"random": 1, "seed": 7}, {"names": ["api-1"], "role": "api", "label": "a=b"})
    ]
    monkeys = [
        {
            "duration": "1s",
            "rate": "6/min",
            "faults": [{"kind": "pause", "duration": "100ms", "up_to": "200ms"}],
            "seed": 7,
        },
        {
            "version": 1,
            "duration_s": 1,
            "steps": [{"at_s": 0, "kind": "pause", "target": "api-1", "duration": "100ms"}],
        },
    ]
    examples = {"/faults": orders, "/monkeys": monkeys}
    yield Api(
        "chaos",
        _by_uvicorn(app, chaos_connections(Patience(PATIENCE_S, PATIENCE_S))),
        [replace(each, examples=examples.get(each.path, ()) if each.method == "POST" else ()) for each in operations],
        "/healthz",
        schemas,
        words=(*NAMES, *FAULTS, "api", "6/min"),
        slow=frozenset({"/events"}),
    )
    await troop.stop_all("reset")
    await engine.stop()


@asynccontextmanager
async def supervisor(folder: Path, _: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """A supervisor of processes that sleep; it forgets at once that it was told to stop."""
    command = (sys.executable, "-S", "-c", "import time; time.sleep(600)")
    processes = {
        name: Process(Spec(name, Role.API, command, {}, "", "127.0.0.1:1", restarted=False), folder) for name in NAMES
    }
    stopping = asyncio.Event()

    app = supervisor_app(processes, stopping, TOKEN, FakeBackends(processes[NAMES[0]]))
    start, stop = "/processes/{name}/start", "/processes/{name}/stop"
    examples = {
        ("POST", start): [{}, {"environment": {"A": "b"}}],
        ("POST", stop): [{}, {"signal": "KILL"}],
        ("POST", "/backends"): [{"count": 3}],
    }
    async with _by_aiohttp(app) as connect:
        yield Api(
            "supervisor", connect, of_routes(app, examples), "/processes",
            may_refuse={(start, 503, "stopping"): "the lab is being stopped"},
            after=stopping.clear,
        )  # fmt: skip
    await asyncio.gather(*(each.stop(0) for each in processes.values()))


@asynccontextmanager
async def relay(_: Path, __: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """The control port of a relay behind which nobody listens."""
    one = Relay(("127.0.0.1", 0), ("127.0.0.1", 9))
    app = control_app(one, TOKEN)
    faults = [
        {"kind": "delay", "delay_s": 1.5, "jitter_s": 0, "duration_s": 5},
        {"kind": "loss", "loss": 0.5, "duration_s": 5},
        {"kind": "bandwidth", "rate_bit_s": 1e6, "duration_s": 5, "direction": "both"},
        {"kind": "blackhole", "duration_s": 5},
        {"kind": "refuse", "duration_s": 5, "peers": []},
    ]
    running = asyncio.ensure_future(one.run())
    async with _by_aiohttp(app) as connect:
        yield Api("relay", connect, of_routes(app, {("PUT", "/fault"): faults}), "/healthz", words=("delay", "refuse"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


APIS = (balancer, backend, chaos, supervisor, relay)
