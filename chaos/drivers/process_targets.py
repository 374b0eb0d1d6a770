"""Targets that are local processes. Faults are signals to the pid that the supervisor reports, or act in the relay.

No other module sends signals.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import NoAddressError, NotPossibleError, RuntimeUnavailableError
from ..inputs.settings import RuntimeName
from ..links.impairment import Effect, Impairment
from ..links.mechanisms import RELAY, RELAY_LACKS
from .probe import Address
from .supervisor_client import Process, Supervisor
from .targets import Capability, Injection, ReadBack, Running, Target, TargetInfo

BACKEND_ROLE = "api"
GRACEFUL_EXITS = (None, 0, 143, -signal.SIGTERM)
"""Exit codes of a process that was stopped on purpose. None: the process was never started."""
SETTLE_S = 2.0
"""Longest wait, in seconds, until the process table shows the effect of a signal. Usually it takes far less."""


class ProcessTarget:
    """One process of the supervisor, in the state in which it was looked up."""

    foreign = False

    def __init__(self, supervisor: Supervisor, process: Process, order_token: Callable[[str], str]) -> None:
        self.name = process.name
        self.role = process.role
        self.order_token = order_token
        self._supervisor = supervisor
        self._process = process

    @property
    def labels(self) -> Mapping[str, str]:
        """Return what the supervisor reports of the process, because processes have no labels."""
        process = self._process
        return {"name": process.name, "role": process.role, "instance": process.instance, "address": process.address}

    @property
    def undo(self) -> dict[str, Any]:
        """Return an empty dictionary, because the name is enough: the supervisor never gives it to another process."""
        return {}

    async def info(self) -> TargetInfo:
        """Return the target as it was looked up, with its current state: running, paused or exited."""
        return TargetInfo(
            name=self.name,
            role=self.role,
            state=await self._state(self._process),
            instance=self._process.instance,
            addresses=[self._process.address] if self._process.address else [],
        )

    async def running(self) -> Running:
        return await self._state(await self._supervisor.process(self.name))

    async def incarnation(self) -> str:
        process = await self._supervisor.process(self.name)
        return f"pid {process.pid}" if process.running else "not running"

    async def address(self) -> Address:
        """Return the relay's address, which the balancer also uses and where link faults act."""
        host, _, port = self._process.address.rpartition(":")
        if not port:
            raise NoAddressError(f"{self.name} has no address")
        return Address(host, int(port))

    async def kill(self) -> Injection:
        pid = await self._pid()
        os.kill(pid, signal.SIGKILL)
        mono = time.monotonic()
        await self._until(Running.EXITED)
        return Injection(mono, "SIGKILL")

    async def stop(self) -> Injection:
        mono = time.monotonic()
        await self._supervisor.stop(self.name)
        return Injection(mono, "SIGTERM")

    async def pause(self) -> Injection:
        os.kill(await self._pid(), signal.SIGSTOP)
        mono = time.monotonic()
        await self._until(Running.PAUSED)
        return Injection(mono, "SIGSTOP")

    async def ensure_running(self) -> None:
        process = await self._supervisor.process(self.name)
        match await self._state(process):
            case Running.EXITED:
                await self._supervisor.start(self.name)
            case Running.PAUSED:
                os.kill(await self._pid(), signal.SIGCONT)

    async def dependents(self) -> list[str]:
        """Return nothing, because all processes use the host's network."""
        return []

    async def remember(self) -> None:
        """Do nothing, because signals and the relay overwrite no setting."""

    async def preview_mechanism(self, impairment: Impairment) -> str:
        """Return the mechanism that `impair` would use. Raise NotPossibleError for an effect that a relay cannot
        have."""
        if impairment.effect in RELAY_LACKS:
            raise NotPossibleError(RELAY_LACKS[impairment.effect])
        if impairment.peers or impairment.port:
            raise NotPossibleError(
                "in a local lab all peers come from 127.0.0.1, to one port", ["peer: all, and no port"]
            )
        if impairment.mechanism != "auto":
            raise NotPossibleError(f"a local lab has no {impairment.mechanism}", ["mechanism: auto (the relay)"])
        return RELAY

    async def impair(self, impairment: Impairment) -> Injection:
        await self._supervisor.put_fault(self._control(), impairment.to_json())
        return Injection(time.monotonic(), RELAY)

    async def clear(self, kind: str) -> None:
        await self._supervisor.clear_fault(self._control(), kind)

    async def read_back(self) -> ReadBack:
        state = await self._supervisor.relay_state(self._control())
        return ReadBack({fault["kind"]: RELAY for fault in state["faults"]}, state["chunks"])

    def _control(self) -> str:
        if self._process.control is None:
            raise NotPossibleError(f"{self.name} has no relay in front of it")
        return self._process.control

    async def _pid(self) -> int:
        """Return the current pid. The kernel may have given an old pid to another process."""
        process = await self._supervisor.process(self.name)
        if not process.running or process.pid is None:
            raise RuntimeUnavailableError(f"{self.name} is not running")
        return process.pid

    @staticmethod
    async def _state(process: Process) -> Running:
        if not process.running or process.pid is None:
            return Running.EXITED
        code = await asyncio.to_thread(process_state, process.pid)
        if code in ("", "Z", "X"):
            return Running.EXITED
        return Running.PAUSED if code == "T" else Running.RUNNING

    async def _until(self, wanted: Running) -> None:
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline and await self.running() is not wanted:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


class LocalRuntime:
    """A lab whose members are local processes."""

    name: RuntimeName = "local"
    foreign = False
    orders = True

    def __init__(self, supervisor: Supervisor, order_token: Callable[[str], str]) -> None:
        self._supervisor = supervisor
        self._order_token = order_token

    async def targets(self, *, all_roles: bool = False) -> Sequence[Target]:
        processes = await self._supervisor.processes()
        chosen = [process for process in processes.values() if all_roles or process.role == BACKEND_ROLE]
        return [self._target(process) for process in sorted(chosen, key=lambda process: process.name)]

    def disputed(self) -> Mapping[str, str]:
        """Return nothing, because the supervisor's names are unique."""
        return {}

    async def obstacle(self) -> str:
        """Return nothing, because the supervisor starts the targets."""
        return ""

    async def recall(self, name: str, undo: Mapping[str, Any]) -> Target:
        return self._target(await self._supervisor.process(name))

    async def sweep(self, owed: Collection[Mapping[str, Any]]) -> None:
        """Do nothing, because relays end their faults by themselves."""

    async def link_capability(self, effect: Effect) -> Capability:
        if effect in RELAY_LACKS:
            return Capability(possible=False, missing=RELAY_LACKS[effect])
        return Capability(possible=True, mechanism=RELAY)

    async def crashed(self) -> Sequence[ProcessTarget]:
        """Return crashed backends only, because the supervisor itself restarts everything else."""
        return [
            self._target(process)
            for process in (await self._supervisor.processes()).values()
            if process.role == BACKEND_ROLE and not process.running and process.exit_code not in GRACEFUL_EXITS
        ]

    def lost(self) -> str:
        return ""

    async def close(self) -> None:
        await self._supervisor.close()

    def _target(self, process: Process) -> ProcessTarget:
        return ProcessTarget(self._supervisor, process, self._order_token)


def process_state(pid: int) -> str:
    """Return the kernel's one-letter state (proc(5): R, S, D, T, Z, …), or an empty string if no such process
    exists."""
    if Path("/proc/self/stat").exists():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return stat.rpartition(")")[2].split()[0]  # the process name before it may contain spaces and brackets
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, timeout=5, check=False)
    return ps.stdout.strip()[:1]
