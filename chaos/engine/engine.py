"""The life of every fault, from the request to the heal (states and transitions: `chaos.engine.records`).

Order is what makes the undo impossible to lose: the entry is on the disk before the fault is injected, and `healed` is
written only after the target was seen to work. What is owed at start was left behind by a crash and is healed first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from ..drivers.probe import ask
from ..drivers.targets import Runtime, Target
from ..errors import ChaosError, InjectionFailedError, RuntimeUnavailableError, UnknownFaultError
from ..faults import AnyFault
from ..faults.base import VERIFY_DEADLINE_S, Before, Params, Verdict
from . import healing
from .admission import admit
from .events import EventLog
from .fault_handle import Life
from .journal import Journal
from .orders import Checked, Order, Placed, Preview
from .records import FaultRecord, HealedBy, State
from .stop_condition_reader import Watched, prepare

log = logging.getLogger(__name__)

INJECT_TIMEOUT_S = 20.0
"""Longer than the drivers' own time-outs (10 s a call): theirs names the call that hung."""
BASELINE_TIMEOUT_S = 1.0
SWEEP_WITHIN_S = 5.0
T = TypeVar("T")


class Engine:
    """Injects, times, heals and remembers faults."""

    def __init__(self, runtime: Runtime, journal: Journal, events: EventLog, max_duration_s: float) -> None:
        self._runtime = runtime
        self._journal = journal
        self._events = events
        self.max_duration_s = max_duration_s
        self._lives: dict[str, Life] = {}
        self._admission = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        """Held here, because the event loop holds tasks only weakly."""

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
        """Read the journal and begin to heal what a crash left behind, without waiting for it; sweep up the rest."""
        self._lives = {key: Life(entry) for key, entry in self._journal.compact().items()}
        for record in self.owed():
            self._begin_heal(self._life(record.id), "restart")

        # Before anything new is injected: what is started from now on is no leftover.
        owed = [life.entry.undo for life in self._lives.values() if life.entry.owed]
        try:
            async with asyncio.timeout(SWEEP_WITHIN_S):
                await self._runtime.sweep(owed)
        except (ChaosError, TimeoutError) as error:
            log.warning("leftovers of a former life are not swept: %s", error or "no answer in time")

    async def stop(self) -> None:
        """Heal everything: a service that is stopped on purpose leaves nothing behind."""
        await self.reset()

    async def retry_failed(self) -> None:
        """Try again to heal what could not be healed."""
        for record in self.owed():
            if record.state is State.FAILED:
                self._begin_heal(self._life(record.id), record.healed_by or "restart")

    # --- inject ---
    async def inject(self, order: Order) -> Placed:
        """Answers when every fault of the order is injected and verified; all or none: where one cannot be injected,
        the others are healed. Raises the guard's errors, NotPossibleError and InjectionFailedError; a client that goes
        away meanwhile does not interrupt it."""
        watched = None if order.stop_when is None else await prepare(order.stop_when, self._runtime)
        async with self._admission:
            checked = await admit(order, self._runtime, self.owed(), self.max_duration_s)
            lives = self._announce(checked)
            # At once, without a pause in between: a heal that comes now has to find an injection to wait for.
            for life, target in zip(lives, checked.targets, strict=True):
                life.injecting = self._start(self._inject(life, checked.fault, target, checked.params))
                life.injecting.add_done_callback(life.settle)
        return await asyncio.shield(self._start(self._place(checked, lives, watched)))

    async def preview(self, order: Order) -> Preview:
        """All checks, and what would be done; nothing is. Raises what `inject` would."""
        if order.stop_when is not None:
            await prepare(order.stop_when, self._runtime)
        checked = await admit(order, self._runtime, self.owed(), self.max_duration_s)
        return checked.preview()

    def _announce(self, checked: Checked) -> list[Life]:
        """Write ahead: from here on the undo is owed, whatever happens. Raises RuntimeUnavailableError where the
        journal cannot be written; then nothing is injected."""
        lives = [Life(entry) for entry in checked.entries()]
        try:
            for life in lives:
                self._journal.append(life.entry)
        except OSError as error:
            raise RuntimeUnavailableError(f"the journal cannot be written: {error}") from error
        for life in lives:
            self._lives[life.record.id] = life
            self._events.emit("fault_injecting", life.record)
            # Should the injection end in a way nobody thought of, this still undoes it.
            self._arm_expiry(life, life.record.requested_mono + life.record.duration_s + INJECT_TIMEOUT_S)
        return lives

    async def _place(self, checked: Checked, lives: Sequence[Life], watched: Watched | None) -> Placed:
        """Wait until all are in; undo all where one is not."""
        if watched is not None:
            self._start(self._stop_when_met(lives, watched))
        injections = [life.injecting for life in lives if life.injecting is not None]
        results = await asyncio.gather(*injections, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await asyncio.gather(*(self.heal(life.record.id, "rollback") for life in lives))
            raise failures[0]
        return Placed(order=checked.id, seed=checked.told_seed, faults=[life.record for life in lives])

    async def _stop_when_met(self, lives: Sequence[Life], watched: Watched) -> None:
        """Heal the order's faults when its stop condition says so; ends with the last of them."""
        watching = asyncio.ensure_future(watched.until_met())
        over = self._start(_all_ended(lives))
        await asyncio.wait([watching, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not watching.done():
            watching.cancel()
            return
        for life in lives:
            if life.entry.owed:
                life.record.error = watching.result()
        await asyncio.gather(*(self.heal(life.record.id, "stop_condition") for life in lives))

    async def _inject(self, life: Life, fault: AnyFault, target: Target, params: Params) -> FaultRecord:
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

    async def _give_up(self, life: Life, error: Exception) -> ChaosError:
        """The injection failed, nobody knows how far it came: undo it all the same."""
        life.record.bit = False
        life.record.error = f"injection failed: {error or type(error).__name__}"
        self._begin_heal(life, "rollback")
        life.settled.set()
        if life.healing is not None:
            await life.healing
        return error if isinstance(error, ChaosError) else InjectionFailedError(life.record.error)

    async def _verify(self, life: Life, fault: AnyFault, target: Target, params: Params, before: Before) -> None:
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
        self._write(life)
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

    async def until_over(self, fault_id: str) -> None:
        """Returns when its heal, whoever begins it, has ended. Raises UnknownFaultError."""
        life = self._life(fault_id)
        await life.ended.wait()
        if life.healing is not None:
            await asyncio.shield(life.healing)

    async def reset(self, by: HealedBy = "reset") -> list[str]:
        """Heal everything; the ids that were healed."""
        owed = [record.id for record in self.owed()]
        healed = await asyncio.gather(*(self.heal(fault_id, by) for fault_id in owed))
        return [record.id for record in healed if record.state is State.HEALED]

    def _begin_heal(self, life: Life, by: HealedBy) -> None:
        if not life.entry.owed or (life.healing is not None and not life.healing.done()):
            return
        if life.expiry is not None:
            life.expiry.cancel()
        life.healing = asyncio.ensure_future(self._heal(life, by))

    async def _heal(self, life: Life, by: HealedBy) -> None:
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

    def _arm_expiry(self, life: Life, due_mono: float) -> None:
        if life.expiry is not None:
            life.expiry.cancel()
        left_s = due_mono - time.monotonic()
        life.expiry = asyncio.get_running_loop().call_later(left_s, self._begin_heal, life, "expiry")

    # --- bookkeeping ---
    def _move(self, life: Life, state: State, event: str) -> None:
        life.entry.move(state)
        self._write(life)
        self._events.emit(event, life.record)

    def _write(self, life: Life) -> None:
        """A journal that cannot be written (a full disk) must not stop an undo: what it says then is older than the
        truth, and owes more."""
        try:
            self._journal.append(life.entry)
        except OSError as error:
            log.error("the journal cannot be written: %s", error)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _life(self, fault_id: str) -> Life:
        if fault_id not in self._lives:
            raise UnknownFaultError(f"there is no fault {fault_id!r}")
        return self._lives[fault_id]


async def _all_ended(lives: Sequence[Life]) -> None:
    for life in lives:
        await life.ended.wait()
