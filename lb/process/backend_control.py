"""Keeps the balancer's backends up to date: discovery determines which exist, the prober their states."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from ..config.schema import Config
from ..core.backend import Backend, State
from ..core.events import Added, Emit, Event, Probed, ProbeWanted, Removed
from ..discovery import Change, Follower, Insert
from ..discovery.sources import source_of
from ..probes.scheduler import HealthSink, Prober
from .wiring import checks_of, rules_of


class ManagedBackends(HealthSink, Protocol):
    """The part of a balancer that this module uses."""

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend, or change its weight."""

    def remove(self, backend_id: str, now: float) -> None:
        """Drain a backend, then remove it. Raise KeyError if the id is unknown."""


class BackendControl:
    """Runs discovery and prober as tasks, which can be reconfigured while they run."""

    def __init__(
        self,
        config: Config,
        backends: ManagedBackends,
        clock: Callable[[], float],
        rng: Random,
        warn: Callable[[str], None],
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._backends = backends
        self._clock = clock
        self._checks = checks_of(config)
        self._prober = Prober(backends, self._checks, clock, rng)
        self._follower = Follower(
            source_of(config.discovery),
            self._apply,
            warn,
            rules=rules_of(config),
            passing=self._passing,
            emit=emit,
            clock=clock,
        )
        self._following: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._sync_due = False
        self._passed: set[str] = set()
        """Ids of backends that have passed a check since they were added. With `assume_up`, others can be UP too."""

    async def discover_once(self) -> None:
        """Read the source once, so that backends are known before the first request."""
        await self._follower.step()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Run both until `stop`, as tasks of `group`, so that an error in one of them ends the balancer."""
        self._group = group
        self._probing = group.create_task(self._prober.run())
        self._following = group.create_task(self._follower.run())

    def stop(self) -> None:
        """Stop discovery and prober."""
        for task in (self._probing, self._following):
            if task is not None:
                task.cancel()

    async def reconfigure(self, config: Config) -> None:
        """Apply another configuration. If it names another source, read that before returning."""
        before, self._config = self._config, config
        if config.health != before.health:
            self._checks.use(config.core_settings().health)
            self._prober.wake_all()
        if config.discovery != before.discovery and self._group is not None:
            if self._following is not None:
                self._following.cancel()
            await self._follower.follow(source_of(config.discovery), rules_of(config))
            self._following = self._group.create_task(self._follower.run())

    @property
    def held(self) -> Mapping[str, float]:
        """Latest time of removal of each backend that is kept although discovery no longer names it, by id."""
        return self._follower.held

    def force(self) -> None:
        """Apply the last answer of discovery completely, without holding any backend."""
        self._follower.force()

    def on_event(self, event: Event) -> None:
        """Handle an event of the core (`Emit`)."""
        if isinstance(event, Probed) and event.passed:
            self._passed.add(event.backend)
        elif isinstance(event, Added | Removed):
            self._passed.discard(event.backend)
        if isinstance(event, ProbeWanted):
            self._prober.wake(event.backend)
        elif isinstance(event, Added | Removed) and not self._sync_due:
            # Synchronize later, because the core is still making the change that it reports, and once for many changes.
            self._sync_due = True
            self._loop.call_soon(self._sync_prober)

    def _sync_prober(self) -> None:
        self._sync_due = False
        self._prober.sync()

    def _passing(self) -> set[str]:
        return {one.id for one in self._backends.backends if one.state is State.UP and one.weight > 0} & self._passed

    def _apply(self, change: Change) -> None:
        now = self._clock()
        if isinstance(change, Insert):
            member = change.member
            self._backends.insert(member.id, member.host, member.port, now, member.weight)
        else:
            with contextlib.suppress(KeyError):  # already removed by an operator
                self._backends.remove(change.id, now)
