"""One supervised process: start it with a log, watch it, restart it if configured, and stop it reliably."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ..output.inert import inert
from ..processes.child_environment import UMASK, child_environment
from ..processes.readiness import TOLD_LINES, Answer, Patience, gave_up, log_end, telling
from .topology import Spec

STOP_GRACE_S: Final = 3.0
"""Seconds between SIGTERM and SIGKILL: short, because no client waits for requests when a lab is stopped."""
RESTART_DELAYS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds to wait before the first, second and later restarts in a row; the last value repeats."""
STABLE_AFTER_S: Final = 10.0
"""A process that ran for this many seconds has recovered: the next restart uses the first delay again."""

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Let the kernel kill this child when the supervisor ends. Runs between fork and exec; Linux only (prctl(2))."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Report:
    """A process as `GET /processes` reports it."""

    name: str
    role: str
    pid: int | None
    state: str
    exit_code: int | None
    """Exit code; negative: the number of the signal that ended it."""
    address: str
    upstream: str | None
    control: str | None
    log: str
    instance: str

    def as_json(self) -> dict[str, object]:
        """Return the wire format of docs/interfaces.md."""
        return asdict(self)


Ready = Callable[[Spec], Awaitable[Answer]]
"""Requests the ready URL of a process."""


class Process:
    """A supervised process. All methods belong to one event loop."""

    def __init__(self, spec: Spec, log_dir: Path) -> None:
        self.spec = spec
        self.log = log_dir / f"{spec.name}.log"
        self.exit_code: int | None = None
        self.refusal: Answer | None = None
        """The last answer that `wait_ready` got before it gave up."""
        self.ended_for = ""
        """Reason why the lab itself ended it; empty if it did not."""
        self.environment: dict[str, str] = {}
        """Additional environment variables from the next start on."""
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._restarts_in_a_row = 0
        self._stopping = False
        self._turn = asyncio.Lock()
        """Held while the process starts or stops. A second caller waits, and then sees the result."""

    @property
    def running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._child is not None and self._child.returncode is None

    def report(self) -> Report:
        """Return its present state."""
        return Report(
            name=self.spec.name,
            role=self.spec.role,
            pid=self._child.pid if self.running and self._child else None,
            state="running" if self.running else "exited",
            exit_code=None if self.running else self.exit_code,
            address=self.spec.address,
            upstream=self.spec.upstream,
            control=self.spec.control,
            log=str(self.log),
            instance=self.spec.name,
        )

    async def start(self) -> bool:
        """Start it and watch it. Return False if it already runs."""
        async with self._turn:
            if self.running:
                return False
            self._stopping = False
            await self._spawn()
            self._watch = asyncio.create_task(self._watch_over(), name=f"watch {self.spec.name}")
            return True

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """Send SIGTERM, then SIGKILL after `grace_s` (0: at once). Return when it has ended. Safe to call twice."""
        async with self._turn:
            await self._stop(grace_s)

    async def wait_ready(self, ready: Ready, deadline_s: float) -> str:
        """Poll until it is ready. Return why it was not ready within `deadline_s`, or an empty string."""
        until = time.monotonic() + deadline_s
        answer, patience = Answer(), Patience(early=self.spec.early)
        while (now := time.monotonic()) < until and not (patience.ended(answer, now) or gave_up(answer, str(self.log))):
            if self.ended_for:
                return self.ended_for
            if not self.running and not self.spec.restarted:
                return f"{self.spec.name} exited with {describe_exit(self.exit_code)}"
            if self._restarts_in_a_row >= len(RESTART_DELAYS_S):
                return f"{self.spec.name} keeps exiting with {describe_exit(self.exit_code)}"
            answer = await ready(self.spec)
            if answer.works:
                return ""
            await asyncio.sleep(0.05)
        self.refusal = answer
        host = f" for Host {inert(self.spec.ready_host)}" if self.spec.ready_host else ""
        when = f"was not ready after {deadline_s:g} s" if now >= until else "does not become ready"
        return f"{self.spec.name} {when}: GET {self.spec.ready_url}{host} is not answered with 200 but: {answer}"

    def log_tail(self, lines: int = TOLD_LINES) -> list[str]:
        """Return the last lines of its log, and earlier lines that contain a reason; empty if it wrote nothing."""
        return [*telling(log_end(self.log).splitlines(), lines)]

    async def _stop(self, grace_s: float) -> None:
        self._stopping = True
        if self._child is not None and self.running:
            if grace_s > 0.0:
                self._signal(signal.SIGCONT)  # a paused process cannot handle SIGTERM
                self._signal(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._child.wait(), grace_s)
            self._signal(signal.SIGKILL)
            await self._child.wait()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._child is not None:
            self.exit_code = self._child.returncode

    async def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=child_environment({**self.spec.environment, **self.environment}),
                cwd=self.spec.directory or self.log.parent,
                umask=UMASK,
                preexec_fn=_die_with_parent,
            )
        self._started_at = time.monotonic()

    async def _watch_over(self) -> None:
        while self._child is not None:
            self.exit_code = await self._child.wait()
            if self._stopping or not self.spec.restarted:
                return
            await asyncio.sleep(self._restart_delay_s(time.monotonic() - self._started_at))
            await self._spawn()

    def _restart_delay_s(self, lived_s: float) -> float:
        if lived_s >= STABLE_AFTER_S:
            self._restarts_in_a_row = 0
        delay_s = RESTART_DELAYS_S[min(self._restarts_in_a_row, len(RESTART_DELAYS_S) - 1)]
        self._restarts_in_a_row += 1
        return delay_s

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)


def describe_exit(code: int | None) -> str:
    """Return an exit code as text: `code 3`, `signal SIGKILL`."""
    if code is None:
        return "no exit code"
    if code >= 0:
        return f"code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
