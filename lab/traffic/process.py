"""The traffic generator as a child process: start it, control it, read its reports, and make sure that it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from pathlib import Path

from ..errors import EnvironmentProblemError
from ..evidence.progress import TrafficCounts
from ..processes.child_environment import UMASK, child_environment
from ..processes.launch import words
from ..services.endpoints import Endpoints

_START_WITHIN_S = 10.0
_STOP_MARGIN_S = 2.0


class TrafficProcess:
    """The generator process of one run."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, run_dir: Path, endpoints: Endpoints, run_id: str) -> TrafficProcess:
        """Start the generator with the plan in `run_dir` and wait until it is ready. Raise EnvironmentProblemError."""
        process = await asyncio.create_subprocess_exec(
            *words("lab.traffic", "--plan", str(run_dir / "plan.json"), "--target", endpoints.traffic),
            "--history", str(run_dir / "history.jsonl"), "--run-id", run_id, "--host", endpoints.host,
            "--ca-file", endpoints.ca_file,
            "--identification", str(endpoints.identification), *(f"--permit={each}" for each in endpoints.permitted),
            env=child_environment(), umask=UMASK,
            stdin=PIPE, stdout=PIPE, stderr=PIPE,
            start_new_session=True,  # so that Ctrl-C in the terminal reaches only the lab
        )  # fmt: skip
        traffic = cls(process)
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                if await traffic._line() != {"type": "ready"}:
                    raise EnvironmentProblemError(f"the traffic generator did not start: {await traffic._error()}")
        except BaseException as error:
            await traffic.kill()
            if isinstance(error, TimeoutError):
                raise EnvironmentProblemError(
                    f"the traffic generator was not ready in {_START_WITHIN_S:.0f} s"
                ) from error
            raise
        return traffic

    def go(self, zero: float) -> None:
        """Start sending; `zero` is the run's start in monotonic seconds."""
        self._write(f"go {zero!r}\n")

    async def watch(self, on_counts: Callable[[TrafficCounts], None]) -> None:
        """Pass on the generator's counts until it ends."""
        while message := await self._line():
            kind = message.pop("type", "")
            if kind in {"counts", "done"}:
                on_counts(TrafficCounts(**message))  # type: ignore[arg-type] # our own dataclass, as JSON

    async def stop(self, patience_s: float) -> None:
        """Send no more requests and wait for those in flight. Kill the process after `patience_s` and a margin."""
        self._write("stop\n")
        try:
            async with asyncio.timeout(patience_s + _STOP_MARGIN_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def failure(self) -> str:
        """Return why the process failed, or an empty string."""
        return "" if self._process.returncode == 0 else await self._error()

    async def kill(self) -> None:
        """Kill the process if it still runs, and wait for its end."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    def _write(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    async def _line(self) -> dict[str, object]:
        """Return the next message; empty after the last one."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}

    async def _error(self) -> str:
        assert self._process.stderr is not None
        await self._process.wait()
        lines = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with exit code {self._process.returncode}"
