"""Schedules the active checks: one loop per backend, in parallel. A backend gets one probe at a time."""

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
"""Seconds until a probe that could not be made is repeated."""
START_SPREAD_S = 0.02
"""Seconds over which first probes are spread, so that they start early but not in one burst."""


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one probe."""

    failure: str = ""
    """One word for the failure; empty if the probe passed."""
    unhealthy_response: bool = False
    """Whether the backend responded, but the response was a failure."""
    name: str = ""
    """Name of the backend according to its health report."""
    load: LoadReport | None = None
    """Load of the backend according to its health report."""
    inconclusive: bool = False
    """Whether the probe could not be made because the balancer lacked a resource. It then has no effect."""


class HealthSink(Protocol):
    """The part of the balancer that the prober uses."""

    @property
    def backends(self) -> Sequence[Backend]:
        """Return all known backends."""

    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        """Record a finished probe and return the seconds until the next one."""

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        """Record the load that the backend reports."""


Probe = Callable[[Backend], Awaitable[Report]]


@dataclass(slots=True, eq=False)
class _ProbeLoop:
    """The probe loop of one backend."""

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
        """Probe until cancelled. An error in one loop ends all, because otherwise one backend would stay unprobed."""
        async with asyncio.TaskGroup() as self._group:
            self.sync()
            await asyncio.get_running_loop().create_future()

    def sync(self) -> None:
        """Start loops for new backends and end those of removed ones."""
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
        """Probe the backend now instead of after the interval."""
        loop = self._by_id.get(backend_id)
        if loop is not None:
            loop.wanted.set()

    def wake_all(self) -> None:
        """Probe all backends now, because the settings have changed."""
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
