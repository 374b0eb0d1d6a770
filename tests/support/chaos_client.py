"""The chaos service as a subprocess that can be killed and started again on the same state, and a client for it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.support.chaos_supervisor import RELAY_TOKEN, FakeSupervisor
from tests.support.chaos_supervisor import TOKEN as SUPERVISOR_TOKEN
from tests.support.chaos_waiting import eventually
from tests.support.free_ports import free_port

TOKEN = "chaos-secret"
ROOT = Path(__file__).resolve().parents[2]


class ChaosClient:
    """The chaos API, as the lab uses it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    async def ready(self) -> None:
        """Return once the service answers and reaches its runtime."""
        await eventually(lambda: self.call("GET", "/readyz"), lambda answer: answer[0] == 200, 20)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        assert self._session is not None
        async with self._session.request(method, self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def text(self, path: str) -> str:
        """A body that is not JSON."""
        assert self._session is not None
        async with self._session.get(self.url + path) as response:
            return await response.text()

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The event stream from its start."""
        assert self._session is not None
        async with self._session.get(self.url + "/events?since=0") as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    yield json.loads(line[5:])

    async def inject(
        self, kind: str, target: str, duration: str, *, allow_last: bool = False, **params: Any
    ) -> dict[str, Any]:
        """The record of a fault that must be accepted."""
        order = {"kind": kind, "target": target, "duration": duration, "params": params, "allow_last": allow_last}
        status, record = await self.call("POST", "/faults", order)
        assert status == 201, record
        return dict(record)

    async def healed(self, fault_id: str, deadline_s: float) -> dict[str, Any]:
        """The record once it is healed."""
        _, record = await eventually(
            lambda: self.call("GET", f"/faults/{fault_id}"), lambda answer: answer[1]["state"] == "healed", deadline_s
        )
        return dict(record)


class ChaosProcess(ChaosClient):
    """`python -m chaos` for the local runtime."""

    def __init__(self, supervisor: FakeSupervisor, state_dir: Path, **environment: str) -> None:
        port = free_port()
        super().__init__(f"http://127.0.0.1:{port}")
        self._environment = os.environ | {
            "CHAOS_RUNTIME": "local",
            "CHAOS_PORT": str(port),
            "CHAOS_STATE_DIR": str(state_dir),
            "CHAOS_TOKEN": TOKEN,
            "CHAOS_SUPERVISOR": supervisor.url,
            "CHAOS_SUPERVISOR_TOKEN": SUPERVISOR_TOKEN,
            "CHAOS_RELAY_TOKEN": RELAY_TOKEN,
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chaos", cwd=ROOT, env=self._environment
        )
        await self.ready()

    async def kill(self) -> None:
        """SIGKILL: no chance to heal."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 30)
