"""Programs run on users' files as the lab changes them: requests reach the lab's backends, and all of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing
from tests.support.free_ports import free_port
from tests.support.own_edits import CORPUS, lab_values, ways, written

REACHED = [
    ("nginx", "simple/nginx.conf", "backend", 3),
    ("nginx", "debian/nginx.conf", "app", 3),
    ("nginx", "shop/nginx.conf", "web", 2),
    ("nginx", "shop/nginx.conf", "api", 3),
    ("nginx", "shop/nginx.conf", "chat", 1),  # ip_hash
    ("nginx", "backup/nginx.conf", "orders", 2),  # and one in reserve
    ("nginx", "backup/nginx.conf", "reports", 2),  # and one in reserve
    ("nginx", "docker/nginx.conf", "tasks", 2),
    ("nginx", "gateway/nginx.conf", "members", 4),
    ("caddy", "simple/Caddyfile", "shop.example.com", 3),
    ("caddy", "one/Caddyfile", ":9000", 1),  # the first only
    ("caddy", "sites/Caddyfile", "api.example.com", 2),
    ("caddy", "sites/Caddyfile", "api.example.com/v2/", 2),
    ("caddy", "sites/Caddyfile", "example.com/app/", 2),
    ("caddy", "snippets/Caddyfile", "orders.example.com:8080", 3),
    ("caddy", "snippets/Caddyfile", "reports.example.com:8080", 2),
    ("caddy", "gateway/Caddyfile", "wiki.apps.example.com", 2),
    ("caddy", "gateway/Caddyfile", "chat.apps.example.com", 1),  # ip_hash
    ("caddy", "json/caddy.json", "tickets.example.org", 2),
    ("caddy", "json/caddy.json", "tickets.example.org/api/", 2),
    ("envoy", "edge/envoy.yaml", "booking", 3),
    ("envoy", "canary/envoy.json", "api-stable", 3),
    ("envoy", "canary/envoy.json", "api-canary", 2),
    ("envoy", "discovery/envoy.yaml", "members", 4),
    ("envoy", "sidecar/envoy.yaml", "ledger", 2),
    ("envoy", "tcp/envoy.yaml", "workers", 1),  # each connection is balanced
    ("envoy", "shop/envoy.yaml", "web", 2),
    ("envoy", "shop/envoy.yaml", "api", 5),
    ("envoy", "shop/envoy.yaml", "cart", 2),
    ("envoy", "shop/envoy.yaml", "partners", 2),
    ("envoy", "rechain/envoy.yaml", "app", 3),
    ("traefik", "host/traefik.yml,app.yml", "app", 3),
    ("traefik", "toml/traefik.toml", "portal", 3),
    ("traefik", "toml/traefik.toml", "wiki", 2),
    ("traefik", "folder/traefik.yaml", "shop", 2),
    ("traefik", "folder/traefik.yaml", "api", 1),  # a cookie for each session
    ("traefik", "compose/compose.yaml", "notes", 3),
    ("traefik", "swarm/traefik.yml,stack.yml", "app", 3),
    ("traefik", "swarm/traefik.yml,stack.yml", "jobs", 2),
    ("traefik", "flat/traefik.yml,routes.toml,services.yml", "files", 2),
]
"""Program, main file with further ones, pool, and how many of its servers get requests while all of them work."""


@asynccontextmanager
async def backends(count: int) -> AsyncIterator[list[str]]:
    """Servers that answer `/health` with 200 and their port, and every other path with 404."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        return web.Response(text=str(request.transport.get_extra_info("sockname")[1]))

    app = web.Application()
    app.router.add_get("/health", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for _ in range(count):
            await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield [f"127.0.0.1:{address[1]}" for address in runner.addresses]
    finally:
        await runner.cleanup()


async def port_that_answers(client: aiohttp.ClientSession, url: str) -> str:
    """The port of the backend that answered; empty without an answer, such as before the program listens."""
    try:
        async with client.get(url) as answer:
            return await answer.text() if answer.status == 200 else ""
    except aiohttp.ClientError:
        return ""


@pytest.mark.parametrize(("program", "main", "pool_name", "count"), REACHED)
async def test_requests_reach_the_backends_of_the_chosen_pool(
    program: str, main: str, pool_name: str, count: int, tmp_path: Path
) -> None:
    adapter = ADAPTERS[program]
    installed, own = adapter.find(), adapter.own_files
    assert own is not None
    if isinstance(installed, Missing):
        pytest.skip(f"{program} is not installed: {installed.install}")
    first, *more = main.split(",")
    found = own.read([CORPUS / program / first, *((CORPUS / program / first).with_name(each) for each in more)])
    listener, pool = next((listener, pool) for listener, pool in ways(found) if pool.name == pool_name)
    listen = f"127.0.0.1:{free_port()}"
    async with backends(len(pool.servers)) as addresses:
        files = written(own, found, own.edits(found, listener, pool), lab_values(tmp_path, listen, addresses))
        check, command = own.commands(installed, files)
        if check is not None:  # Traefik cannot check a file
            environment = os.environ | dict(check.environment)
            done = await asyncio.to_thread(
                subprocess.run, check.argv, capture_output=True, text=True, env=environment, check=False
            )
            assert done.returncode == 0, done.stderr
        # Every path leads to the pool, also with the prefix that the user's clients need; Traefik keeps the prefix.
        prefixed = pool.name == listener.pools[0] and program != "traefik"
        paths = {"/health"} | ({listener.path.rstrip("/") + "/health"} if prefixed else set())
        process = await asyncio.create_subprocess_exec(
            *command.argv, env=os.environ | dict(command.environment), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            answers: dict[str, set[str]] = {path: set() for path in paths}
            async with (
                aiohttp.ClientSession(headers={"Host": listener.host} if listener.host else {}) as client,
                asyncio.timeout(20),
            ):
                number = 0
                while any(len(each) < count for each in answers.values()):
                    number += 1
                    for path, ports in answers.items():
                        if port := await port_that_answers(client, f"http://{listen}{path}?member={number}"):
                            ports.add(port)
                        else:
                            await asyncio.sleep(0.05)
            assert all(each <= {address.rpartition(":")[2] for address in addresses} for each in answers.values())
        finally:
            process.terminate()
            await process.wait()
