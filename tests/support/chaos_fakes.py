"""A runtime without processes, sockets or clocks: targets are a state word, and answers follow from it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chaos.drivers.probe import Address, Answer
from chaos.drivers.targets import Capability, Injection, Member, MemoryUse, ReadBack, Running, Target, TargetInfo
from chaos.engine.records import Entry, FaultRecord
from chaos.errors import BadRequestError, ChaosError, NotPossibleError, RuntimeUnavailableError, TargetGoneError
from chaos.inputs.settings import RuntimeName
from chaos.links.impairment import Impairment


def record(fault_id: str = "f1", kind: str = "pause", target: str = "api-1", **fields: Any) -> FaultRecord:
    return FaultRecord(id=fault_id, kind=kind, target=target, params={}, duration_s=5, requested_mono=1.0, **fields)


def entry(fault_id: str = "f1", *, expires_unix: float = 100.0, **fields: Any) -> Entry:
    return Entry(record=record(fault_id, **fields), expires_unix=expires_unix)


class FakeTarget:
    """Does what it is told and remembers it; `broken` makes its next injection fail."""

    role = "api"
    foreign = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = Running.RUNNING
        self.impairment: Impairment | None = None
        self.broken: ChaosError | None = None
        self.deaf = False
        """Faults on it have no effect: they must be seen not to bite."""
        self.undo: dict[str, Any] = {"token": name}
        self.labels: dict[str, str] = {}
        self.starts = 0
        self.mechanisms = ("auto",)
        self.share: float | None = None
        self.memory_limit = 256 << 20
        self.relying: list[str] = []
        """Who lives in its network."""
        self.met = 1
        """Packets that have met its impairment."""

    def order_token(self, instance: str) -> str:
        return f"token of {instance}"

    async def info(self) -> TargetInfo:
        return TargetInfo(name=self.name, role=self.role, state=self.state, instance=self.name, addresses=[])

    async def running(self) -> Running:
        return self.state

    async def incarnation(self) -> str:
        return f"start {self.starts}"

    async def address(self) -> Address:
        return Address(self.name, 80)

    async def ensure_running(self) -> None:
        if self.state is Running.EXITED:
            self.starts += 1
        self.state = Running.RUNNING

    async def dependents(self) -> list[str]:
        return self.relying

    async def kill(self) -> Injection:
        return self._become(Running.EXITED)

    async def stop(self) -> Injection:
        return self._become(Running.EXITED)

    async def pause(self) -> Injection:
        return self._become(Running.PAUSED)

    async def preview_mechanism(self, impairment: Impairment) -> str:
        if impairment.mechanism not in self.mechanisms:
            raise NotPossibleError(f"no {impairment.mechanism} here", ["mechanism: auto"])
        return "fake"

    async def impair(self, impairment: Impairment) -> Injection:
        self.impairment = impairment
        return Injection(time.monotonic(), "fake")

    async def clear(self, kind: str) -> None:
        self.impairment = None

    async def read_back(self) -> ReadBack:
        here = {} if self.impairment is None else {str(self.impairment.kind): "fake"}
        return ReadBack(here, packets=self.met)

    async def remember(self) -> None:
        return None

    async def disconnect(self) -> Injection:
        return Injection(time.monotonic(), "fake")

    async def networks(self) -> list[str]:
        return ["lab"]

    async def reconnect(self) -> None:
        return None

    async def limit_cpu(self, share: float, duration_s: float) -> Injection:
        self.share = share
        return Injection(time.monotonic(), "fake")

    async def cpu_share(self) -> float | None:
        return self.share

    async def free_cpu(self) -> None:
        self.share = None

    def check_memory(self, limit: int) -> None:
        if limit >= self.memory_limit:
            raise BadRequestError(f"params.limit: {self.name} has {self.memory_limit} bytes already")

    async def limit_memory(self, limit: int) -> Injection:
        return Injection(time.monotonic(), "fake")

    async def memory(self) -> MemoryUse:
        return MemoryUse(used=1 << 20, limit=self.memory_limit)

    async def free_memory(self) -> None:
        return None

    def _become(self, state: Running) -> Injection:
        if self.broken is not None:
            self.state = state  # it went half way
            raise self.broken
        if not self.deaf:
            self.state = state
        return Injection(time.monotonic(), "fake")

    def answer(self) -> Answer:
        match self.state:
            case Running.EXITED:
                return Answer(0.001, failure="refused")
            case Running.PAUSED:
                return Answer(0.3, 0.001, failure="timeout")
        if self.impairment is not None and self.impairment.kind == "delay":
            return Answer(0.001 + self.impairment.delay_s, 0.001, 200)
        return Answer(0.001, 0.001, 200)


class FakeRuntime:
    """Holds `FakeTarget`s by name; `ask` stands in for `chaos.drivers.probe.ask`."""

    name: RuntimeName = "docker"
    foreign = False
    orders = True

    def __init__(self, *names: str) -> None:
        self.backends = {name: FakeTarget(name) for name in names}
        self.reachable = True
        self.gone = ""
        self.claims: dict[str, str] = {}

    async def targets(self, *, all_roles: bool = False) -> Sequence[Target]:
        self._reach()
        return list(self.backends.values())

    async def obstacle(self) -> str:
        return ""

    def disputed(self) -> Mapping[str, str]:
        return self.claims

    async def recall(self, name: str, undo: Mapping[str, Any]) -> Target:
        self._reach()
        if name not in self.backends:
            raise TargetGoneError(f"{name} is gone")
        return self.backends[name]

    async def sweep(self, owed: Collection[Mapping[str, Any]]) -> None:
        self._reach()

    async def link_capability(self, kind: str) -> Capability:
        return Capability(possible=True, mechanism="fake")

    async def crashed(self) -> Sequence[Member]:
        return [target for target in self.backends.values() if target.state is Running.EXITED]

    def lost(self) -> str:
        return self.gone

    async def close(self) -> None:
        return None

    async def download(self, address: Address, size: int, *, timeout_s: float) -> tuple[int, float]:
        return size, 0.001

    async def ask(self, address: Address, path: str = "", **_: Any) -> Answer:
        return self.backends[address[0]].answer()

    def _reach(self) -> None:
        if not self.reachable:
            raise RuntimeUnavailableError("the runtime does not answer")
