"""Runs a balancer as a process: check its configuration, start it with a log, wait until it is ready, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from ..errors import EnvironmentProblemError
from ..processes.child_environment import child_environment
from ..processes.readiness import Answer, ask
from .adapter import Adapter, Command, Missing, Program
from .requirements import ProxySpec

START_DEADLINE_S: Final = 15.0
STOP_GRACE_S: Final = 3.0
"""Time between SIGTERM and SIGKILL."""
CHECK_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_TOLD_LINES: Final = 12


class MissingProgramError(EnvironmentProblemError):
    """The balancer is not installed; the next step is the command that installs it."""


class RejectedConfigError(EnvironmentProblemError):
    """The program refused its configuration; the details are what it printed."""


class NotReadyError(EnvironmentProblemError):
    """The balancer was started but did not become ready; the details are the end of its log."""


@dataclass(frozen=True, slots=True)
class Running:
    """A balancer that is ready."""

    adapter: Adapter
    spec: ProxySpec
    version: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Process id of the program that was started; it may have child processes."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs. A balancer that ends during a measurement is a result, not an error."""
        return self.process.returncode is None

    def log_tail(self, lines: int = _TOLD_LINES) -> tuple[str, ...]:
        """Return the last lines of its log."""
        return tail(self.log, lines)


@contextlib.asynccontextmanager
async def running(
    adapter: Adapter,
    spec: ProxySpec,
    workdir: Path,
    *,
    cores: Collection[int] = (),
    deadline_s: float = START_DEADLINE_S,
) -> AsyncIterator[Running]:
    """Render the configuration, check it, start the balancer and wait until it is ready; stop it at the end.

    If `cores` are given, the process runs only on them. Raise `MissingProgramError`, `RejectedConfigError` or
    `NotReadyError`.
    """
    program = installed(adapter)
    adapter.render(spec, workdir)
    async with launched(adapter, program, spec, workdir, cores=cores, deadline_s=deadline_s) as balancer:
        yield balancer


@contextlib.asynccontextmanager
async def launched(
    adapter: Adapter,
    program: Program,
    spec: ProxySpec,
    workdir: Path,
    *,
    cores: Collection[int] = (),
    deadline_s: float = START_DEADLINE_S,
) -> AsyncIterator[Running]:
    """Do the same as `running` with files that are already in `workdir`, such as a user's own."""
    if check := adapter.check(program, workdir):
        await accepted(adapter.name, check)
    version = await asyncio.to_thread(adapter.version, program)
    log = workdir / f"{adapter.name}.log"
    process = await spawn(adapter.command(program, spec, workdir), log, cores)
    balancer = Running(adapter, spec, version, process, log)
    try:
        await _wait_ready(balancer, deadline_s)
        yield balancer
    finally:
        await stop(process)


def installed(adapter: Adapter) -> Program:
    """Return the adapter's program. Raise `MissingProgramError` if it is not installed."""
    found = adapter.find()
    if isinstance(found, Missing):
        raise MissingProgramError(f"{adapter.name} is not installed", found.install)
    return found


async def accepted(name: str, check: Command) -> None:
    """Run the check of the configuration. Raise `RejectedConfigError` with the output if it fails."""
    process = await asyncio.create_subprocess_exec(
        *check.argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=child_environment(check.environment),
    )
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise RejectedConfigError(f"{name} did not finish checking its configuration", " ".join(check.argv)) from None
    finally:
        await stop(process)
    if process.returncode != 0:
        lines = tuple(said.decode(errors="replace").strip().splitlines()[-_TOLD_LINES:])
        raise RejectedConfigError(f"{name} rejects its configuration", " ".join(check.argv), lines)


async def spawn(command: Command, log: Path, cores: Collection[int] = ()) -> asyncio.subprocess.Process:
    """Start a process whose output goes to `log`. If `cores` are given, it runs only on them."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=child_environment(command.environment),
            preexec_fn=_pin_to(cores) if cores else None,
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """Send SIGTERM, then SIGKILL after the grace period; return when the process has ended. Safe to call twice."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_GRACE_S)


def tail(log: Path, lines: int = _TOLD_LINES) -> tuple[str, ...]:
    """Return the last lines of a log; empty if there is no log."""
    try:
        return tuple(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ()


async def _wait_ready(balancer: Running, deadline_s: float) -> None:
    """Poll the ready URLs. Raise `NotReadyError` if the process exits, or not all answer 200 within `deadline_s`."""
    until = time.monotonic() + deadline_s
    waiting, answer = list(balancer.adapter.ready(balancer.spec)), Answer()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as client:
        while waiting:
            if not balancer.alive:
                raise _not_ready(balancer, f"exited with code {balancer.process.returncode}")
            if time.monotonic() > until:
                told = f"was not ready within {deadline_s:g} s: GET {waiting[0]}: {answer}"
                raise _not_ready(balancer, told)
            if (answer := await ask(client, waiting[0])).works:
                del waiting[0]
            else:
                await asyncio.sleep(_POLL_S)


def _not_ready(balancer: Running, what: str) -> NotReadyError:
    name = balancer.adapter.name
    return NotReadyError(f"{name} {what}", f"read its log, {balancer.log}", balancer.log_tail())


def _pin_to(cores: Collection[int]) -> Callable[[], None]:
    """Return a function that sets the cores between fork and exec: the program then counts the right number of cores,
    and no thread ever runs on another one."""
    wanted = set(cores)

    def pin() -> None:
        os.sched_setaffinity(0, wanted)

    return pin
