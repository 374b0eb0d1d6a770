"""When to probe: one loop a backend, all at the same time, and none ever overlapping itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from ..core.backend import Backend
from ..core.load_weights import LoadReport

RETRY_S = 0.1
"""Seconds until a probe that could not be made is tried again."""
START_SPREAD_S = 0.02
"""First probes start within this: at once, as far as anybody can tell, yet not all in one burst."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a probe ended."""

    failure: str = ""
    """A failure_name for what went wrong; empty for a pass."""
    unhealthy_response: bool = False
    """It failed by an answer: the backend itself says that it is not well."""
    name: str = ""
    """What the backend calls itself."""
    load: LoadReport | None = None
    """How loaded it says that it is."""
    inconclusive: bool = False
    """The probe could not be made, for want of something on our side: no verdict on the backend."""


class HealthSink(Protocol):
    """What the prober needs of the balancer."""

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends."""

    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe, answer the seconds until the next."""

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Record what the backend says of its load."""


Probe = Callable[[Backend], Awaitable[Report]]


@dataclass(slots=True, eq=False)
class _ProbeLoop:
    """One backend's loop."""

    task: asyncio.Task[None]
    wanted: asyncio.Event


class Prober:
    """Probes every backend that the balancer knows, from its insertion to its removal."""

    def __init__(self, balancer: HealthSink, probe: Probe, clock: Callable[[], float], rng: Random) -> None:
        self._balancer = balancer
        self._probe = probe
        self._clock = clock
        self._rng = rng
        self._loops: dict[Backend, _ProbeLoop] = {}
        self._by_id: dict[str, _ProbeLoop] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Probe until cancelled. An error in a loop ends all: a backend that is silently not probed is worse."""
        async with asyncio.TaskGroup() as self._group:
            self.sync()
            await asyncio.get_running_loop().create_future()

    def sync(self) -> None:
        """Follow the balancer's membership: begin with new backends, end with those that left."""
        if self._group is None:
            return
        known = set(self._balancer.backends)
        for gone in self._loops.keys() - known:
            self._loops.pop(gone).task.cancel()
        for backend in known - self._loops.keys():
            wanted = asyncio.Event()
            self._loops[backend] = _ProbeLoop(self._group.create_task(self._loop(backend, wanted)), wanted)
        self._by_id = {backend.id: self._loops[backend] for backend in self._balancer.backends}

    def wake(self, backend_id: str) -> None:
        """Traffic wants to know: probe now instead of waiting for the next interval."""
        loop = self._by_id.get(backend_id)
        if loop is not None:
            loop.wanted.set()

    def wake_all(self) -> None:
        """Other settings are in force: what was waited for by the old ones begins now."""
        for loop in self._loops.values():
            loop.wanted.set()

    async def _loop(self, backend: Backend, wanted: asyncio.Event) -> None:
        await asyncio.sleep(self._rng.uniform(0, START_SPREAD_S))
        while True:
            wanted.clear()
            started = self._clock()
            report = await self._probe(backend)
            now = self._clock()
            wait = self._record(backend, report, now - started, now)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wanted.wait(), wait)

    def _record(self, backend: Backend, report: Report, took: float, now: float) -> float:
        if report.inconclusive:
            return RETRY_S
        if report.load is not None:
            self._balancer.reported(backend, report.load, now)
        return self._balancer.probed(backend, report.failure, took, now, report.name, report.unhealthy_response)
