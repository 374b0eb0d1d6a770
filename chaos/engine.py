"""The life of every fault, from the request to the heal (states and transitions: `chaos.records`).

Order is what makes the undo impossible to lose: the entry is on the disk before the fault is injected, and `healed` is
written only after the target was seen to work. What is owed at start was left behind by a crash and is healed first.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from chaos import guard, healing
from chaos.errors import ChaosError, InjectionFailedError, NotPossibleError, UnknownFaultError
from chaos.events import EventLog
from chaos.faults import AnyFault
from chaos.faults.base import VERIFY_DEADLINE_S, Before, Params, Verdict
from chaos.journal import Journal
from chaos.probe import ask
from chaos.records import Entry, FaultRecord, HealedBy, State
from chaos.targets import Runtime, Target

INJECT_TIMEOUT_S = 20.0
"""Longer than the drivers' own time-outs (10 s a call): theirs names the call that hung."""
BASELINE_TIMEOUT_S = 1.0


class Order(BaseModel):
    """The body of `POST /faults`."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    target: str
    duration: Any
    """With its unit, such as `5s`; checked by the guard, which says what was expected."""
    params: dict[str, Any] = {}
    allow_last: bool = False


@dataclass(eq=False)
class _Life:
    """One fault while this process lives."""

    entry: Entry
    injecting: asyncio.Task[FaultRecord] | None = None
    healing: asyncio.Task[None] | None = None
    expiry: asyncio.TimerHandle | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the injection is over, one way or the other."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a heal begins: whoever still verifies may stop."""

    @property
    def record(self) -> FaultRecord:
        return self.entry.record


class Engine:
    """Injects, times, heals and remembers faults."""

    def __init__(self, runtime: Runtime, journal: Journal, events: EventLog, max_duration_s: float) -> None:
        self._runtime = runtime
        self._journal = journal
        self._events = events
        self._max_duration_s = max_duration_s
        self._lives: dict[str, _Life] = {}
        self._admission = asyncio.Lock()

    # --- reading ---
    def records(self) -> list[FaultRecord]:
        """All faults that are remembered, oldest first."""
        return [life.record for life in self._lives.values()]

    def record(self, fault_id: str) -> FaultRecord:
        """Raises UnknownFaultError."""
        return self._life(fault_id).record

    def owed(self) -> list[FaultRecord]:
        """Faults that are not healed."""
        return [life.record for life in self._lives.values() if life.entry.owed]

    def faulted(self) -> frozenset[str]:
        """Names of the targets with a fault that is not healed."""
        return frozenset(record.target for record in self.owed())

    # --- the service's own life ---
    async def start(self) -> None:
        """Read the journal and begin to heal what a crash left behind; returns without waiting for it."""
        self._lives = {key: _Life(entry) for key, entry in self._journal.compact().items()}
        for record in self.owed():
            self._begin_heal(self._life(record.id), "restart")

    async def stop(self) -> None:
        """Heal everything: a service that is stopped on purpose leaves nothing behind."""
        await self.reset()

    async def retry_failed(self) -> None:
        """Try again to heal what could not be healed."""
        for record in self.owed():
            if record.state is State.FAILED:
                self._begin_heal(self._life(record.id), record.healed_by or "restart")

    # --- inject ---
    async def inject(self, order: Order) -> FaultRecord:
        """Answers when the fault is injected and verified. Raises the guard's errors, NotPossibleError and
        InjectionFailedError; a client that goes away meanwhile does not interrupt it."""
        fault = guard.check_kind(order.kind)
        duration_s = guard.check_duration(order.duration, self._max_duration_s)
        params = guard.check_params(fault, order.params)
        async with self._admission:
            target = await self._admit(order, fault)
            life = self._announce(order, target, duration_s)
        life.injecting = asyncio.ensure_future(self._inject(life, fault, target, params))
        life.injecting.add_done_callback(lambda _: life.settled.set())
        return await asyncio.shield(life.injecting)

    async def _admit(self, order: Order, fault: AnyFault) -> Target:
        backends = await self._runtime.targets()
        target = guard.check_target(order.target, backends)
        if not _able(target, fault):
            raise NotPossibleError(f"{order.kind} is not possible on the {self._runtime.name} runtime")
        guard.check_conflicts(fault, order.target, self.owed())
        if not order.allow_last:
            await guard.check_not_last(order.target, backends, self.faulted())
        return target

    def _announce(self, order: Order, target: Target, duration_s: float) -> _Life:
        """Write ahead: from here on the undo is owed, whatever happens."""
        record = FaultRecord(
            id=uuid.uuid4().hex[:12],
            kind=order.kind,
            target=order.target,
            params=order.params,
            duration_s=duration_s,
            requested_mono=time.monotonic(),
        )
        life = _Life(Entry(record=record, expires_unix=time.time() + duration_s, undo=target.undo))
        self._journal.append(life.entry)
        self._lives[record.id] = life
        self._events.emit("fault_injecting", record)
        # Should the injection end in a way nobody thought of, this still undoes it.
        self._arm_expiry(life, record.requested_mono + duration_s + INJECT_TIMEOUT_S)
        return life

    async def _inject(self, life: _Life, fault: AnyFault, target: Target, params: Params) -> FaultRecord:
        record = life.record
        try:
            async with asyncio.timeout(INJECT_TIMEOUT_S):
                address = await target.address()
                answer = await ask(address, timeout_s=BASELINE_TIMEOUT_S)
                before = Before(address, answer, await target.incarnation())
                injection = await fault.inject(target, params, record.duration_s)
        except (ChaosError, TimeoutError) as error:
            raise await self._give_up(life, error) from error
        record.injected_mono, record.mechanism = injection.mono, injection.mechanism
        life.entry.expires_unix = time.time() + record.duration_s
        self._move(life, State.ACTIVE, "fault_injected")
        self._arm_expiry(life, injection.mono + record.duration_s)
        life.settled.set()
        await self._verify(life, fault, target, params, before)
        return record

    async def _give_up(self, life: _Life, error: Exception) -> ChaosError:
        """The injection failed, nobody knows how far it came: undo it all the same."""
        life.record.bit = False
        life.record.error = f"injection failed: {error or type(error).__name__}"
        self._begin_heal(life, "request")
        life.settled.set()
        if life.healing is not None:
            await life.healing
        return error if isinstance(error, ChaosError) else InjectionFailedError(life.record.error)

    async def _verify(self, life: _Life, fault: AnyFault, target: Target, params: Params, before: Before) -> None:
        """Fill in `bit` and `evidence`; a heal that begins meanwhile ends the verification without a verdict."""
        verifying = asyncio.ensure_future(self._verdict(fault, target, params, before))
        ended = asyncio.ensure_future(life.ended.wait())
        await asyncio.wait({verifying, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not verifying.done():
            verifying.cancel()
            life.record.evidence = "healed before it was verified"
            return
        verdict = verifying.result()
        life.record.bit, life.record.evidence = verdict.bit, verdict.evidence
        life.record.verified_mono = time.monotonic()
        self._journal.append(life.entry)
        self._events.emit("fault_verified", life.record)

    @staticmethod
    async def _verdict(fault: AnyFault, target: Target, params: Params, before: Before) -> Verdict:
        try:
            async with asyncio.timeout(VERIFY_DEADLINE_S):
                return await fault.verify(target, params, before)
        except TimeoutError:
            return Verdict(False, f"no verdict within {VERIFY_DEADLINE_S:g} s")
        except ChaosError as error:
            return Verdict(False, f"could not be verified: {error.detail}")

    # --- heal ---
    async def heal(self, fault_id: str, by: HealedBy = "request") -> FaultRecord:
        """Heal now, or wait for the heal under way; on a healed fault nothing happens. Raises UnknownFaultError."""
        life = self._life(fault_id)
        if life.injecting is not None:
            # Not before it is in: an undo that overtakes its fault would leave the fault behind.
            await life.settled.wait()
        self._begin_heal(life, by)
        if life.healing is not None:
            await asyncio.shield(life.healing)
        return life.record

    async def reset(self, by: HealedBy = "reset") -> list[str]:
        """Heal everything; the ids that were healed."""
        owed = [record.id for record in self.owed()]
        healed = await asyncio.gather(*(self.heal(fault_id, by) for fault_id in owed))
        return [record.id for record in healed if record.state is State.HEALED]

    def _begin_heal(self, life: _Life, by: HealedBy) -> None:
        if not life.entry.owed or (life.healing is not None and not life.healing.done()):
            return
        if life.expiry is not None:
            life.expiry.cancel()
        life.healing = asyncio.ensure_future(self._heal(life, by))

    async def _heal(self, life: _Life, by: HealedBy) -> None:
        record = life.record
        life.ended.set()
        record.healed_by = by
        record.heal_started_mono = record.heal_started_mono or time.monotonic()
        if record.state is State.FAILED:
            record.error = None
        if record.state is not State.HEALING:  # a crash in the middle of a heal leaves it there
            self._move(life, State.HEALING, "fault_healing")
        try:
            note = await healing.undo(self._runtime, life.entry, measure=not self._shared(record))
        except ChaosError as error:
            record.error = f"heal failed: {error.detail}"
            self._move(life, State.FAILED, "fault_failed")
            return
        record.error = note or record.error
        record.healed_mono = time.monotonic()
        self._move(life, State.HEALED, "fault_healed")

    def _shared(self, record: FaultRecord) -> bool:
        """Another fault is on the same target: its health says nothing about the end of this one."""
        return any(other.target == record.target and other.id != record.id for other in self.owed())

    def _arm_expiry(self, life: _Life, due_mono: float) -> None:
        if life.expiry is not None:
            life.expiry.cancel()
        left_s = due_mono - time.monotonic()
        life.expiry = asyncio.get_running_loop().call_later(left_s, self._begin_heal, life, "expiry")

    # --- bookkeeping ---
    def _move(self, life: _Life, state: State, event: str) -> None:
        life.entry.move(state)
        self._journal.append(life.entry)
        self._events.emit(event, life.record)

    def _life(self, fault_id: str) -> _Life:
        if fault_id not in self._lives:
            raise UnknownFaultError(f"there is no fault {fault_id!r}")
        return self._lives[fault_id]


def _able(target: Target, fault: AnyFault) -> bool:
    return isinstance(target, fault.needs)
