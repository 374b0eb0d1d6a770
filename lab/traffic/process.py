"""The parent's side of the generator: starts it, steers it, listens to it, and never leaves it behind."""

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

_START_WITHIN_S = 10.0
_STOP_MARGIN_S = 2.0


class TrafficProcess:
    """One generator process, for one run."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, run_dir: Path, target: str, run_id: str, host: str = "") -> TrafficProcess:
        """Start it with the folder's plan and wait until it is ready to go. Raises EnvironmentProblemError."""
        process = await asyncio.create_subprocess_exec(
            *words("lab.traffic", "--plan", str(run_dir / "plan.json"), "--target", target),
            "--history", str(run_dir / "history.jsonl"), "--run-id", run_id, "--host", host,
            env=child_environment(), umask=UMASK,
            stdin=PIPE, stdout=PIPE, stderr=PIPE,
            start_new_session=True,  # the terminal's Ctrl-C is the lab's to handle
        )  # fmt: skip
        traffic = cls(process)
        try:
            async with asyncio.timeout(_START_WITHIN_S):
                if await traffic._line() != {"type": "ready"}:
                    raise EnvironmentProblemError(f"the traffic generator did not start: {await traffic._complaint()}")
        except BaseException as error:
            await traffic.kill()
            if isinstance(error, TimeoutError):
                raise EnvironmentProblemError(
                    f"the traffic generator was not ready in {_START_WITHIN_S:.0f} s"
                ) from error
            raise
        return traffic

    def go(self, zero: float) -> None:
        """Begin; `zero` is the run's start in monotonic seconds."""
        self._tell(f"go {zero!r}\n")

    async def watch(self, on_counts: Callable[[TrafficCounts], None]) -> None:
        """Report its counts until it ends."""
        while message := await self._line():
            kind = message.pop("type", "")
            if kind in {"counts", "done"}:
                on_counts(TrafficCounts(**message))  # type: ignore[arg-type] # our own dataclass, as JSON

    async def stop(self, patience_s: float) -> None:
        """Let what is in flight end; kill it when it takes longer than `patience_s` and a margin."""
        self._tell("stop\n")
        try:
            async with asyncio.timeout(patience_s + _STOP_MARGIN_S):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            await self.kill()

    async def failure(self) -> str:
        """Why it ended badly; empty when it did not."""
        return "" if self._process.returncode == 0 else await self._complaint()

    async def kill(self) -> None:
        """End it now, if it still runs, and reap it."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    async def _line(self) -> dict[str, object]:
        """The next message; empty when there will be no more."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}

    async def _complaint(self) -> str:
        assert self._process.stderr is not None
        await self._process.wait()
        lines = (await self._process.stderr.read()).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with exit code {self._process.returncode}"
