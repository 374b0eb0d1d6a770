"""Requests over TLS, against a real server on loopback with a certificate of its own CA."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from lab.errors import BadArgumentsError, EnvironmentProblemError
from lab.evidence.history import History, Outcome, read_history
from lab.evidence.record import load_run
from lab.run.experiment import run_experiment
from lab.scenario.plan import Plan, PlannedExchange, PlannedRequest
from lab.services.endpoints import Endpoints
from lab.services.identification import Identification
from lab.services.tls import client_context
from lab.traffic.process import TrafficProcess
from tests.integration.test_lab_experiment_run import short_plan
from tests.support.lab_fakes import fake_lab
from tests.support.lab_plans import load, traffic_only

HOSTS = ("shop.example", "api.example")
GENERIC = PlannedRequest("GET", "/", 1.0, 0, PlannedExchange())


class Site:
    """A TLS server that remembers the server name and the Host of each request."""

    def __init__(self, folder: Path, *names: str) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        authority.issue_cert(*names).configure_cert(self.context)
        self.context.sni_callback = self._remember
        self.handshakes = 0
        self.names: dict[ssl.SSLObject, str | None] = {}
        self.seen: set[tuple[str | None, str, str | None]] = set()
        self.url = ""

    def _remember(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self.handshakes += 1
        self.names[connection] = name

    async def answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        connection = request.transport.get_extra_info("ssl_object")
        self.seen.add((self.names.get(connection), request.headers["Host"], connection.selected_alpn_protocol()))
        return web.Response(text="ok", headers={"X-Instance": "one"})


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    socket.headers["X-Instance"] = "one"
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket


@asynccontextmanager
async def served(folder: Path, *names: str, tls: bool = True) -> AsyncIterator[Site]:
    site, app = Site(folder, *names), web.Application()
    app.add_routes([web.get("/", site.answer), web.get("/ws", _echo)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=site.context if tls else None).start()
    site.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


def to(url: str, ca_file: str, host: str = "") -> Endpoints:
    return Endpoints(url, "", "", "", "local", host=host, ca_file=ca_file)


async def sent(plan: Plan, endpoints: Endpoints, folder: Path) -> History:
    plan.write(folder)
    traffic = await TrafficProcess.start(folder, endpoints, "r1")
    try:
        traffic.go(asyncio.get_running_loop().time())
        async with asyncio.timeout(10):
            await traffic.watch(lambda counts: None)
    finally:
        await traffic.kill()
    return read_history(folder / "history.jsonl")


def requests(*hosts: str) -> Plan:
    kinds = tuple(
        replace(GENERIC, share=1 / len(hosts), exchange=PlannedExchange(headers=(("Host", host),))) for host in hosts
    )
    return traffic_only(0.3, rate=100.0, mix=kinds or (GENERIC,))


async def test_requests_are_encrypted_for_the_host_that_they_name(tmp_path: Path) -> None:
    async with served(tmp_path, *HOSTS) as site:
        history = await sent(requests(), to(site.url, site.ca_file, "shop.example:8443"), tmp_path)
    assert {(each.outcome, each.status, each.instance) for each in history.requests} == {(Outcome.OK, 200, "one")}
    assert len(history.requests) == 30
    assert site.seen == {("shop.example", "shop.example:8443", "http/1.1")}
    assert site.handshakes < len(history.requests), "connections are used again"


async def test_each_of_several_hosts_has_connections_of_its_own(tmp_path: Path) -> None:
    async with served(tmp_path, *HOSTS) as site:
        history = await sent(requests("api.example", "shop.example:1"), to(site.url, site.ca_file, HOSTS[0]), tmp_path)
    assert {each.outcome for each in history.requests} == {Outcome.OK}
    assert site.seen == {("api.example", "api.example", "http/1.1"), ("shop.example", "shop.example:1", "http/1.1")}


async def test_websockets_are_encrypted_too(tmp_path: Path) -> None:
    async with served(tmp_path, *HOSTS) as site:
        socket = PlannedRequest("WS", "/ws", 1.0, 64)
        history = await sent(traffic_only(0.3, mix=(socket,)), to(site.url, site.ca_file, HOSTS[0]), tmp_path)
    assert {(each.outcome, each.instance) for each in history.requests} == {(Outcome.OK, "one")}


async def test_a_certificate_for_an_address_needs_no_name(tmp_path: Path) -> None:
    async with served(tmp_path, "127.0.0.1") as site:
        history = await sent(requests(), to(site.url, site.ca_file), tmp_path)
    assert {each.outcome for each in history.requests} == {Outcome.OK}


@pytest.mark.parametrize(
    ("names", "plan", "host", "says"),
    [
        (("other.example",), requests(), "shop.example", "is not accepted for shop.example: Hostname mismatch"),
        (HOSTS, requests(), "", "is not accepted for 127.0.0.1: IP address mismatch"),
        (HOSTS, requests("shop.example", "x.example"), HOSTS[0], "is not accepted for x.example: Hostname mismatch"),
    ],
)
async def test_a_certificate_for_another_name_is_an_error_before_the_run(
    names: tuple[str, ...], plan: Plan, host: str, says: str, tmp_path: Path
) -> None:
    async with served(tmp_path, *names) as site:
        with pytest.raises(EnvironmentProblemError, match=says):
            await sent(plan, to(site.url, site.ca_file, host), tmp_path)
        assert site.seen == set()


async def test_a_certificate_of_an_unknown_authority_is_an_error_before_the_run(tmp_path: Path) -> None:
    async with served(tmp_path, *HOSTS) as site:
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
        for ca_file in (str(tmp_path / "other.pem"), ""):
            with pytest.raises(
                EnvironmentProblemError, match=r"is not accepted for shop\.example: unable to get local"
            ):
                await sent(requests(), to(site.url, ca_file, HOSTS[0]), tmp_path)


async def test_a_port_without_tls_is_an_error_before_the_run(tmp_path: Path) -> None:
    async with served(tmp_path, *HOSTS, tls=False) as site:
        with pytest.raises(EnvironmentProblemError, match=r"the TLS handshake failed: "):
            await sent(requests(), to(site.url, site.ca_file), tmp_path)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
async def test_a_file_that_has_no_authority_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BadArgumentsError, match=r"ca\.pem: cannot be read as CA certificates"):
        client_context(str(path))


@asynccontextmanager
async def breaking(site: Site, *, hangs: bool) -> AsyncIterator[str]:
    """A TCP relay to the site for the first connection; later ones are closed, or never answered."""
    count = 0
    host, port = site.url.removeprefix("https://").split(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        if count > 1:
            await reader.read(1)
            await asyncio.sleep(3600 if hangs else 0)
            writer.close()
            return
        inner, outer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_copy(reader, outer), _copy(inner, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.parametrize(("hangs", "error"), [(True, "tls: no handshake in time"), (False, "tls: ")])
async def test_a_handshake_that_fails_during_the_run_is_named(hangs: bool, error: str, tmp_path: Path) -> None:
    async with served(tmp_path, "127.0.0.1") as site, breaking(site, hangs=hangs) as url:
        plan = traffic_only(0.2, rate=50.0, patience_s=0.3, mix=(GENERIC,))
        history = await sent(plan, to(url, site.ca_file), tmp_path)
    assert len(history.requests) == 10
    assert {each.outcome for each in history.requests} == {Outcome.FAIL}
    assert all((each.error or "").startswith(error) for each in history.requests)
    assert all(len(each.error or "") > len("tls: ") for each in history.requests)


async def test_a_port_that_refuses_connections_is_not_an_error_before_the_run(tmp_path: Path) -> None:
    site = Site(tmp_path, "127.0.0.1")
    history = await sent(requests(), to("https://127.0.0.1:1", site.ca_file), tmp_path)
    assert {(each.outcome, each.error) for each in history.requests} == {(Outcome.FAIL, "refused")}


async def test_a_whole_run_over_tls(tmp_path: Path) -> None:
    site = Site(tmp_path, *HOSTS)
    plan = short_plan(load=load(rate=100.0, patience_s=1.0, slow_s=0.25, mix=(GENERIC,)), expect={})
    async with fake_lab(tls=site.context) as (lab, endpoints):
        lab.names_backends = lambda name: {"X-Served-By": name}
        secure = replace(
            endpoints, admin="", host=HOSTS[0], ca_file=site.ca_file, question="/",
            identification=Identification.parse("header:X-Served-By"),
        )  # fmt: skip
        (tmp_path / "run").mkdir()
        await run_experiment(plan, secure, tmp_path / "run")
        assert {each.instance for each in load_run(tmp_path / "run").measured} == {*lab.replicas}
        with pytest.raises(EnvironmentProblemError, match=r"its certificate is not accepted: Hostname mismatch"):
            await run_experiment(plan, replace(secure, host="x.example"), tmp_path / "run")
        with pytest.raises(EnvironmentProblemError, match=r"its certificate is not accepted: unable to get local"):
            await run_experiment(plan, replace(secure, ca_file=""), tmp_path / "run")
