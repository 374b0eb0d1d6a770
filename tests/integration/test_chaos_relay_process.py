"""The relay as the supervisor runs it: a process with flags and a control port."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import aiohttp

from chaos.drivers.probe import ask
from tests.support.chaos_client import ROOT
from tests.support.chaos_supervisor import BACKEND
from tests.support.chaos_waiting import eventually
from tests.support.free_ports import free_port

HOST = "127.0.0.1"
TOKEN = "relay-secret"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
ENVIRONMENT = os.environ | {"CHAOS_RELAY_TOKEN": TOKEN}


async def test_a_relay_process_from_start_to_sigterm() -> None:
    listen, upstream, control = free_port(), free_port(), free_port()
    flags = ("--listen", f"{HOST}:{listen}", "--upstream", f"{HOST}:{upstream}", "--control", f"{HOST}:{control}")
    relay = await asyncio.create_subprocess_exec(sys.executable, "-m", "chaos.relay", *flags, cwd=ROOT, env=ENVIRONMENT)
    backend: asyncio.subprocess.Process | None = None
    try:
        async with aiohttp.ClientSession(f"http://{HOST}:{control}", headers=AUTHORIZED) as session:

            async def call(method: str, path: str, body: Any = None) -> tuple[int, Any]:
                async with session.request(method, path, json=body) as response:
                    return response.status, await response.json()

            _, state = await eventually(lambda: call("GET", "/state"), lambda answer: answer[0] == 200, 15)
            assert state["open"] is False, "nothing listens behind it yet"
            assert (await ask((HOST, listen), timeout_s=1)).failure == "refused"

            backend = await asyncio.create_subprocess_exec(sys.executable, str(BACKEND), str(upstream))
            await eventually(lambda: ask((HOST, listen), timeout_s=1), lambda answer: answer.ok, 15)

            delay = {"kind": "delay", "delay_s": 0.2, "jitter_s": 0, "duration_s": 30}
            assert (await call("PUT", "/fault", delay))[1]["faults"][0]["delay_s"] == 0.2
            assert (await ask((HOST, listen), timeout_s=2)).took_s >= 0.2
            assert (await call("DELETE", "/fault"))[1]["faults"] == []
            assert (await ask((HOST, listen), timeout_s=2)).took_s < 0.2
            assert (await call("PUT", "/fault", {"kind": "explode"}))[0] == 422

        relay.terminate()
        assert await asyncio.wait_for(relay.wait(), 5) == 0
        assert (await ask((HOST, listen), timeout_s=1)).failure == "refused"
    finally:
        for process in (relay, backend):
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_relay_without_a_token_does_not_start() -> None:
    flags = ("--listen", f"{HOST}:0", "--upstream", f"{HOST}:1", "--control", f"{HOST}:0")
    relay = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chaos.relay", *flags, cwd=ROOT, env=ENVIRONMENT | {"CHAOS_RELAY_TOKEN": ""},
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, told = await asyncio.wait_for(relay.communicate(), 20)
    assert (relay.returncode, told) == (254, b"relay: CHAOS_RELAY_TOKEN='': expected the token of the control port\n")
