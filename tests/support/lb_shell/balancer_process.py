"""A real balancer process on free ports, and its admin API as a small client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.api.reading import read_line
from tests.support.lb_shell.eventually import eventually

START_TIMEOUT_S = 20.0


@dataclass(slots=True)
class BalancerProcess:
    """A running `python -m lb`."""

    process: subprocess.Popen[bytes]
    traffic: str
    admin: str
    client: aiohttp.ClientSession
    listening: dict[str, Any]
    """The log line that says where it listens."""

    async def get(self, path: str, **options: Any) -> Any:
        """JSON from the admin API, whatever its status."""
        return (await self.call("GET", path, **options))[1]

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.client.request(method, self.admin + path, **options) as answer:
            return answer.status, await answer.json()

    async def event(self, matches: Callable[[dict[str, Any]], bool], timeout_s: float = 15.0) -> dict[str, Any]:
        """The first event that matches, past or future."""
        async with asyncio.timeout(timeout_s), self.client.get(f"{self.admin}/events?since=0") as answer:
            async for line in answer.content:
                if line.startswith(b"data: ") and matches(event := json.loads(line.removeprefix(b"data: "))):
                    return event  # type: ignore[no-any-return]
        raise AssertionError("the stream ended")

    async def ready(self, timeout_s: float = 15.0) -> None:
        await self.until("/readyz", lambda answer: answer["ready"], timeout_s)

    async def until(self, path: str, holds: Callable[[Any], bool], timeout_s: float = 15.0) -> Any:
        """Poll the admin API until `holds`; the last answer is in the error when it never does."""
        answer: Any = None

        async def seen() -> bool:
            nonlocal answer
            answer = await self.get(path)
            return holds(answer)

        assert await eventually(seen, timeout_s), f"{path} after {timeout_s} s: {answer}"
        return answer

    def port(self, of: str = "traffic") -> int:
        """Of `traffic`, `tcp` or `admin`."""
        return int(self.listening[of].rpartition(":")[2])

    async def line(self, event: str) -> dict[str, Any]:
        """The next log line of that event; those before it are gone."""
        while True:
            line = json.loads(await asyncio.to_thread(read_line, self.process, START_TIMEOUT_S))
            if line["event"] == event:
                return line  # type: ignore[no-any-return]

    async def metric(self, sample: str) -> float:
        """The value of one sample, such as `lb_errors_total{reason="reset"}`; 0 where there is none."""
        async with self.client.get(f"{self.admin}/metrics") as answer:
            for line in (await answer.text()).splitlines():
                if line.startswith(f"{sample} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait(self, timeout_s: float = 15.0) -> int:
        return await asyncio.to_thread(self.process.wait, timeout_s)


def balancer_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its own `LB_*`, free ports, and what this balancer is told."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LB_")}
    return {**inherited, "LB_LISTEN": "127.0.0.1:0", "LB_ADMIN__LISTEN": "127.0.0.1:0", **extra}


@asynccontextmanager
async def running_balancer(*arguments: str, **environ: str) -> AsyncIterator[BalancerProcess]:
    """Start one and wait until it listens."""
    process = _start(arguments, environ)
    try:
        line: dict[str, Any] = {}
        while line.get("event") != "listening":
            line = json.loads(await asyncio.to_thread(read_line, process, START_TIMEOUT_S))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as client:
            yield BalancerProcess(process, f"http://{line['traffic']}", f"http://{line['admin']}", client, line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _start(arguments: Sequence[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lb", *arguments],
        env=balancer_environment(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
