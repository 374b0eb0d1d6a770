"""Carries out the plans of monkeys, one at a time.

A monkey injects ordinary faults, which are checked, journaled and healed like all others. After a crash of the service
its faults are healed, but the monkey does not continue.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Coroutine
from typing import Any, Literal

from pydantic import BaseModel

from ..drivers.targets import Runtime
from ..engine.engine import Engine
from ..engine.events import EventLog
from ..engine.orders import Order, draw_seed
from ..engine.records import State
from ..engine.selection import select
from ..engine.stop_condition_reader import Watched, prepare
from ..errors import ChaosError, MonkeyRunsError, UnknownMonkeyError
from .monkey_orders import MonkeyOrder, Plan, Step, check_order, check_plan
from .planner import make_plan

KEPT = 50
"""Number of monkeys kept for `GET /monkeys`."""

EndedBy = Literal["end", "request", "stop_condition", "reset", "shutdown"]


class Outcome(BaseModel):
    """The result of one step."""

    step: int
    fault: str | None = None
    """The fault's id."""
    refused: str | None = None
    """Reason why the step was refused; the monkey continues."""


class Monkey(BaseModel):
    """The response of `GET /monkeys/{id}`. `*_mono` are monotonic seconds, as in a fault's record."""

    id: str
    state: Literal["running", "ended"] = "running"
    ended_by: EndedBy | None = None
    reason: str | None = None
    started_mono: float
    ended_mono: float | None = None
    outcomes: list[Outcome] = []
    plan: Plan


class MonkeyRunner:
    """All monkeys of this process. Only one runs at a time, because a budget applies to the whole lab."""

    def __init__(self, engine: Engine, runtime: Runtime, events: EventLog) -> None:
        self._engine = engine
        self._runtime = runtime
        self._events = events
        self._monkeys: dict[str, Monkey] = {}
        self._running: asyncio.Task[None] | None = None
        self._steps: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Lock()

    def monkeys(self) -> list[Monkey]:
        """Return all monkeys, oldest first."""
        return list(self._monkeys.values())

    def monkey(self, monkey_id: str) -> Monkey:
        """Return a monkey. Raise UnknownMonkeyError."""
        if monkey_id not in self._monkeys:
            raise UnknownMonkeyError(f"there is no monkey {monkey_id!r}")
        return self._monkeys[monkey_id]

    async def plan(self, order: MonkeyOrder | Plan) -> Plan:
        """Return the plan that `start` would carry out. Raise BadRequestError and UnknownTargetError."""
        if isinstance(order, Plan):
            check_plan(order, self._engine.max_duration_s)
            return order
        check_order(order, self._engine.max_duration_s)
        backends = await self._runtime.targets()
        names = [target.name for target in select(order.targets, backends, 0, self._runtime.disputed())]
        return make_plan(order, names, draw_seed() if order.seed is None else order.seed)

    async def start(self, order: MonkeyOrder | Plan) -> Monkey:
        """Start a monkey. Raise what `plan` raises, MonkeyRunsError, and the errors of a stop condition."""
        plan = await self.plan(order)
        watched = None if plan.stop_when is None else await prepare(plan.stop_when, self._runtime)
        if self._running is not None and not self._running.done():
            busy = next(each.id for each in self._monkeys.values() if each.state == "running")
            raise MonkeyRunsError(f"monkey {busy} is running", possible=[f"DELETE /monkeys/{busy}"])
        monkey = Monkey(id=uuid.uuid4().hex[:12], started_mono=time.monotonic(), plan=plan)
        self._monkeys[monkey.id] = monkey
        for old in list(self._monkeys)[:-KEPT]:
            del self._monkeys[old]
        self._events.emit("monkey_started", monkey=monkey.id, seed=plan.seed, steps=len(plan.steps))
        self._running = asyncio.ensure_future(self._run(monkey, watched))
        return monkey

    async def stop(self, monkey_id: str, by: EndedBy = "request") -> Monkey:
        """Stop a monkey and heal its faults. Do nothing if it has ended. Raise UnknownMonkeyError."""
        monkey = self.monkey(monkey_id)
        async with self._stopping:
            if monkey.state == "running" and self._running is not None:
                self._running.cancel()
                await asyncio.gather(self._running, return_exceptions=True)
                await self._finish(monkey, by)
        return monkey

    async def stop_all(self, by: EndedBy) -> None:
        """Stop all monkeys, which would otherwise continue to inject after a reset."""
        for monkey in self.monkeys():
            await self.stop(monkey.id, by)

    # --- carrying out a plan ---
    async def _run(self, monkey: Monkey, watched: Watched | None) -> None:
        """Run until the last fault has ended, or until the stop condition is met."""
        acting = asyncio.ensure_future(self._act(monkey))
        watching = asyncio.ensure_future(watched.until_met() if watched else _never())
        try:
            await asyncio.wait([acting, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            acting.cancel()
            watching.cancel()
            await asyncio.gather(acting, watching, return_exceptions=True)
        if not acting.cancelled():
            await self._finish(monkey, "end")
            return
        monkey.reason = watching.result()
        await self._finish(monkey, "stop_condition")

    async def _act(self, monkey: Monkey) -> None:
        for number, step in enumerate(monkey.plan.steps):
            await asyncio.sleep(max(0.0, monkey.started_mono + step.at_s - time.monotonic()))
            self._begin(self._take(monkey, number, step))
        await asyncio.sleep(max(0.0, monkey.started_mono + monkey.plan.duration_s - time.monotonic()))
        await self._settle()
        for fault_id in _faults(monkey):
            await self._engine.until_over(fault_id)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._steps.add(task)
        task.add_done_callback(self._steps.discard)

    async def _take(self, monkey: Monkey, number: int, step: Step) -> None:
        if self._active(monkey) + len(self._steps) > monkey.plan.budget:  # `_steps` includes this one
            self._refuse(monkey, number, "budget: earlier faults have not ended yet")
            return
        order = Order(
            kind=step.kind,
            target=step.target,
            duration=step.duration,
            params=step.params,
            allow_last=monkey.plan.allow_last,
        )
        try:
            placed = await self._engine.inject(order)
        except ChaosError as error:
            self._refuse(monkey, number, f"{error.code}: {error.detail}")
        else:
            monkey.outcomes.append(Outcome(step=number, fault=placed.faults[0].id))

    async def _settle(self) -> None:
        """Wait for injections under way, because an undo must not run before its injection has ended."""
        if self._steps:
            await asyncio.wait(set(self._steps))

    def _refuse(self, monkey: Monkey, number: int, reason: str) -> None:
        monkey.outcomes.append(Outcome(step=number, refused=reason))
        self._events.emit("monkey_refused", monkey=monkey.id, step=number, reason=reason)

    def _active(self, monkey: Monkey) -> int:
        return sum(self._engine.record(each).state is not State.HEALED for each in _faults(monkey))

    async def _finish(self, monkey: Monkey, by: EndedBy) -> None:
        """Heal the monkey's faults and mark it as ended."""
        await self._settle()
        await asyncio.gather(*(self._engine.heal(each, "monkey") for each in _faults(monkey)))
        monkey.state, monkey.ended_by, monkey.ended_mono = "ended", by, time.monotonic()
        self._events.emit("monkey_ended", monkey=monkey.id, by=by)


def _faults(monkey: Monkey) -> list[str]:
    return [outcome.fault for outcome in monkey.outcomes if outcome.fault is not None]


async def _never() -> str:
    await asyncio.Event().wait()
    raise AssertionError("unreachable: the event is never set")
