"""What watches the backends: discovery that says who they are, and the prober that says how they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from ..config.schema import Config
from ..core.backend import Backend, State
from ..core.events import Added, Emit, Event, ProbeWanted, Removed
from ..discovery import Change, Follower, Insert
from ..probes.scheduler import HealthSink, Prober
from .wiring import checks_of, rules_of, source_of


class Fleet(HealthSink, Protocol):
    """What it needs of the balancer."""

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend, or change its weight."""

    def remove(self, backend_id: str, now: float) -> None:
        """Drain a backend and let it go. KeyError."""


class Control:
    """Follows one source and probes one fleet. Both may be told something else while they run."""

    def __init__(
        self,
        config: Config,
        fleet: Fleet,
        clock: Callable[[], float],
        rng: Random,
        complain: Callable[[str], None],
        emit: Emit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._fleet = fleet
        self._clock = clock
        self._checks = checks_of(config)
        self._prober = Prober(fleet, self._checks, clock, rng)
        self._follower = Follower(
            source_of(config),
            self._apply,
            complain,
            rules=rules_of(config),
            passing=self._passing,
            emit=emit,
            clock=clock,
        )
        self._following: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._sync_due = False

    async def look(self) -> None:
        """Read the source once, so that the first request finds somebody."""
        await self._follower.step()

    def start(self, group: asyncio.TaskGroup) -> None:
        """Go on until `stop`, as tasks of `group`: an error in one of them ends the balancer."""
        self._group = group
        self._probing = group.create_task(self._prober.run())
        self._following = group.create_task(self._follower.run())

    def stop(self) -> None:
        """Probe and follow no more."""
        for task in (self._probing, self._following):
            if task is not None:
                task.cancel()

    async def use(self, config: Config) -> None:
        """Go by another configuration. Another source is read before this returns."""
        before, self._config = self._config, config
        if config.health != before.health:
            self._checks.use(config.core_settings().health)
            self._prober.wake_all()
        if config.discovery != before.discovery and self._group is not None:
            if self._following is not None:
                self._following.cancel()
            await self._follower.follow(source_of(config), rules_of(config))
            self._following = self._group.create_task(self._follower.run())

    @property
    def held(self) -> Mapping[str, float]:
        """The backends that stay although discovery does not name them, and when each leaves at the latest."""
        return self._follower.held

    def force(self) -> None:
        """Go by what discovery said last, whoever it takes away."""
        self._follower.force()

    def on_event(self, event: Event) -> None:
        """To be subscribed to the core's events."""
        if isinstance(event, ProbeWanted):
            self._prober.wake(event.backend)
        elif isinstance(event, Added | Removed) and not self._sync_due:
            # Later, since the core is in the middle of the change that it reports; and once for all that change now.
            self._sync_due = True
            self._loop.call_soon(self._sync_prober)

    def _sync_prober(self) -> None:
        self._sync_due = False
        self._prober.sync()

    def _passing(self) -> set[str]:
        return {one.id for one in self._fleet.backends if one.state is State.UP and one.weight > 0}

    def _apply(self, change: Change) -> None:
        now = self._clock()
        if isinstance(change, Insert):
            member = change.member
            self._fleet.insert(member.id, member.host, member.port, now, member.weight)
        else:
            with contextlib.suppress(KeyError):  # the operator was faster
                self._fleet.remove(change.id, now)
