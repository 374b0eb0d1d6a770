"""Injects, times and heals faults (states and transitions: `chaos.engine.records`).

No undo can be lost: a fault's journal entry is on the disk before the fault is injected, and `healed` is written only
after a direct probe of the target has passed. Faults that are unhealed at start were left by a crash and are healed
first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from ..drivers.probe import Answer, ask
from ..drivers.targets import Runtime, Target
from ..errors import ChaosError, InjectionFailedError, RuntimeUnavailableError, UnknownFaultError
from ..faults import AnyFault
from ..faults.base import VERIFY_DEADLINE_S, Before, Params, Verdict
from . import healing
from .admission import admit
from .events import EventLog
from .fault_handle import FaultHandle
from .journal import Journal
from .orders import Checked, Order, Placed, Preview
from .records import FaultRecord, HealedBy, State
from .stop_condition_reader import Watched, prepare

log = logging.getLogger(__name__)

INJECT_TIMEOUT_S = 20.0
"""Seconds. Longer than the drivers' own time-outs (10 s a call), because their errors name the call that hung."""
BASELINE_TIMEOUT_S = 1.0
SWEEP_WITHIN_S = 5.0
T = TypeVar("T")


class Engine:
    """Injects, verifies, times and heals faults, and keeps their records."""

    def __init__(self, runtime: Runtime, journal: Journal, events: EventLog, max_duration_s: float) -> None:
        self._runtime = runtime
        self._journal = journal
        self._events = events
        self.max_duration_s = max_duration_s
        self._handles: dict[str, FaultHandle] = {}
        self._admission = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        """References to the running tasks; the event loop itself has only weak ones."""

    # --- reading ---
    def records(self) -> list[FaultRecord]:
        """Return the records of all faults that are kept, oldest first."""
        return [handle.record for handle in self._handles.values()]

    def record(self, fault_id: str) -> FaultRecord:
        """Return the record of a fault. Raise UnknownFaultError."""
        return self._handle(fault_id).record

    def unhealed(self) -> list[FaultRecord]:
        """Return the records of faults that are not healed."""
        return [handle.record for handle in self._handles.values() if handle.entry.unhealed]

    def faulted(self) -> frozenset[str]:
        """Return the names of the targets with a fault that is not healed."""
        return frozenset(record.target for record in self.unhealed())

    # --- start and stop of the service ---
    async def start(self) -> None:
        """Read the journal, begin to heal what a crash left behind (without waiting), and remove other leftovers."""
        self._handles = {key: FaultHandle(entry) for key, entry in self._journal.compact().items()}
        for record in self.unhealed():
            self._begin_heal(self._handle(record.id), "restart")

        # This comes before any new injection, so that the helpers of new faults are not taken for leftovers.
        unhealed = [handle.entry.undo for handle in self._handles.values() if handle.entry.unhealed]
        try:
            async with asyncio.timeout(SWEEP_WITHIN_S):
                await self._runtime.sweep(unhealed)
        except (ChaosError, TimeoutError) as error:
            log.warning("leftovers of an earlier process are not removed: %s", error or "no answer in time")

    async def stop(self) -> None:
        """Heal all faults, because a service that is stopped on purpose leaves none behind."""
        await self.reset()

    async def retry_failed(self) -> None:
        """Begin another heal of each fault whose heal failed."""
        for record in self.unhealed():
            if record.state is State.FAILED:
                self._begin_heal(self._handle(record.id), record.healed_by or "restart")

    # --- inject ---
    async def inject(self, order: Order) -> Placed:
        """Inject all faults of an order, or none; return when each is injected and verified.

        If one cannot be injected, the others are healed. Raise the guard's errors, NotPossibleError and
        InjectionFailedError. The injection continues if the client disconnects meanwhile.
        """
        watched = None if order.stop_when is None else await prepare(order.stop_when, self._runtime)
        async with self._admission:
            checked = await admit(order, self._runtime, self.unhealed(), self.max_duration_s)
            handles = self._announce(checked)
            # Nothing is awaited between journal and injection, so that a heal requested now finds the injection to wait
            # for.
            for handle, target in zip(handles, checked.targets, strict=True):
                handle.injecting = self._start(self._inject(handle, checked.fault, target, checked.params))
                handle.injecting.add_done_callback(handle.settle)
        return await asyncio.shield(self._start(self._place(checked, handles, watched)))

    async def preview(self, order: Order) -> Preview:
        """Check an order and return what would be done. Raise what `inject` would raise."""
        if order.stop_when is not None:
            await prepare(order.stop_when, self._runtime)
        checked = await admit(order, self._runtime, self.unhealed(), self.max_duration_s)
        return checked.preview()

    def _announce(self, checked: Checked) -> list[FaultHandle]:
        """Write the faults to the journal, which guarantees that they will be undone.

        Raise RuntimeUnavailableError if the journal cannot be written; then nothing is injected.
        """
        handles = [FaultHandle(entry) for entry in checked.entries()]
        try:
            for handle in handles:
                self._journal.append(handle.entry)
        except OSError as error:
            raise RuntimeUnavailableError(f"the journal cannot be written: {error}") from error
        for handle in handles:
            self._handles[handle.record.id] = handle
            self._events.emit("fault_injecting", handle.record)
            # The timer undoes the fault even if the injection ends in an unexpected way.
            self._arm_expiry(handle, handle.record.requested_mono + handle.record.duration_s + INJECT_TIMEOUT_S)
        return handles

    async def _place(self, checked: Checked, handles: Sequence[FaultHandle], watched: Watched | None) -> Placed:
        """Wait until all faults are injected. If one injection fails, undo all of them."""
        if watched is not None:
            self._start(self._stop_when_met(handles, watched))
        injections = [handle.injecting for handle in handles if handle.injecting is not None]
        results = await asyncio.gather(*injections, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await asyncio.gather(*(self.heal(handle.record.id, "rollback") for handle in handles))
            raise failures[0]
        return Placed(order=checked.id, seed=checked.reported_seed, faults=[handle.record for handle in handles])

    async def _stop_when_met(self, handles: Sequence[FaultHandle], watched: Watched) -> None:
        """Heal the order's faults when its stop condition is met; return when all of them have ended."""
        watching = asyncio.ensure_future(watched.until_met())
        over = self._start(_all_ended(handles))
        await asyncio.wait([watching, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if not watching.done():
            watching.cancel()
            return
        for handle in handles:
            if handle.entry.unhealed:
                handle.record.error = watching.result()
        await asyncio.gather(*(self.heal(handle.record.id, "stop_condition") for handle in handles))

    async def _inject(self, handle: FaultHandle, fault: AnyFault, target: Target, params: Params) -> FaultRecord:
        record = handle.record
        try:
            async with asyncio.timeout(INJECT_TIMEOUT_S):
                before = await self._before(handle, target)
                injection = await fault.inject(target, params, record.duration_s)
        except (ChaosError, TimeoutError) as error:
            raise await self._give_up(handle, error) from error
        record.injected_mono, record.mechanism = injection.mono, injection.mechanism
        handle.entry.expires_unix = time.time() + record.duration_s
        self._move(handle, State.ACTIVE, "fault_injected")
        self._arm_expiry(handle, injection.mono + record.duration_s)
        handle.settled.set()
        await self._verify(handle, fault, target, params, before)
        return record

    @staticmethod
    async def _before(handle: FaultHandle, target: Target) -> Before:
        """Measure how the target answers before the fault, if it can be probed."""
        if reason := handle.entry.unprobed:
            return Before(None, Answer.unprobed(reason), await target.incarnation())
        address = await target.address()
        return Before(address, await ask(address, timeout_s=BASELINE_TIMEOUT_S), await target.incarnation())

    async def _give_up(self, handle: FaultHandle, error: Exception) -> ChaosError:
        """Undo a failed injection, whose effect is not known; return the error to raise."""
        handle.record.bit = False
        handle.record.error = f"injection failed: {error or type(error).__name__}"
        self._begin_heal(handle, "rollback")
        handle.settled.set()
        if handle.healing is not None:
            await handle.healing
        return error if isinstance(error, ChaosError) else InjectionFailedError(handle.record.error)

    async def _verify(
        self, handle: FaultHandle, fault: AnyFault, target: Target, params: Params, before: Before
    ) -> None:
        """Fill in `bit` and `evidence`. A heal that begins meanwhile ends the verification without a verdict."""
        verifying = asyncio.ensure_future(self._verdict(fault, target, params, before))
        ended = asyncio.ensure_future(handle.ended.wait())
        await asyncio.wait({verifying, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not verifying.done():
            verifying.cancel()
            handle.record.evidence = "healed before it was verified"
            return
        verdict = verifying.result()
        handle.record.bit, handle.record.evidence = verdict.bit, verdict.evidence
        handle.record.verified_mono = time.monotonic()
        self._write(handle)
        self._events.emit("fault_verified", handle.record)

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
        """Heal the fault now, or wait for the heal under way. Return its record. Raise UnknownFaultError."""
        handle = self._handle(fault_id)
        if handle.injecting is not None:
            # An undo that ran before the injection has ended would leave the fault in place.
            await handle.settled.wait()
        self._begin_heal(handle, by)
        if handle.healing is not None:
            await asyncio.shield(handle.healing)
        return handle.record

    async def until_over(self, fault_id: str) -> None:
        """Wait until a heal of the fault, begun for any reason, has ended. Raise UnknownFaultError."""
        handle = self._handle(fault_id)
        await handle.ended.wait()
        if handle.healing is not None:
            await asyncio.shield(handle.healing)

    async def reset(self, by: HealedBy = "reset") -> list[str]:
        """Heal all faults. Return the ids of those that were healed."""
        unhealed = [record.id for record in self.unhealed()]
        healed = await asyncio.gather(*(self.heal(fault_id, by) for fault_id in unhealed))
        return [record.id for record in healed if record.state is State.HEALED]

    def _begin_heal(self, handle: FaultHandle, by: HealedBy) -> None:
        if not handle.entry.unhealed or (handle.healing is not None and not handle.healing.done()):
            return
        if handle.expiry is not None:
            handle.expiry.cancel()
        handle.healing = asyncio.ensure_future(self._heal(handle, by))

    async def _heal(self, handle: FaultHandle, by: HealedBy) -> None:
        record = handle.record
        handle.ended.set()
        record.healed_by = by
        record.heal_started_mono = record.heal_started_mono or time.monotonic()
        if record.state is State.FAILED:
            record.error = None
        if record.state is not State.HEALING:  # the state is HEALING already after a crash during a heal
            self._move(handle, State.HEALING, "fault_healing")
        try:
            note = await healing.undo(self._runtime, handle.entry, measure=not self._shared(record))
        except ChaosError as error:
            record.error = f"heal failed: {error.detail}"
            self._move(handle, State.FAILED, "fault_failed")
            return
        record.error = note or record.error
        record.healed_mono = time.monotonic()
        self._move(handle, State.HEALED, "fault_healed")

    def _shared(self, record: FaultRecord) -> bool:
        """Return whether another fault is on the same target. If so, a probe cannot show whether this one has ended."""
        return any(other.target == record.target and other.id != record.id for other in self.unhealed())

    def _arm_expiry(self, handle: FaultHandle, due_mono: float) -> None:
        if handle.expiry is not None:
            handle.expiry.cancel()
        left_s = due_mono - time.monotonic()
        handle.expiry = asyncio.get_running_loop().call_later(left_s, self._begin_heal, handle, "expiry")

    # --- bookkeeping ---
    def _move(self, handle: FaultHandle, state: State, event: str) -> None:
        handle.entry.move(state)
        self._write(handle)
        self._events.emit(event, handle.record)

    def _write(self, handle: FaultHandle) -> None:
        """Write the entry to the journal. If that fails (full disk), only log it, because it must not prevent an undo.

        An outdated journal lists healed faults as unhealed, and healing them again is harmless.
        """
        try:
            self._journal.append(handle.entry)
        except OSError as error:
            log.error("the journal cannot be written: %s", error)

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _handle(self, fault_id: str) -> FaultHandle:
        if fault_id not in self._handles:
            raise UnknownFaultError(f"there is no fault {fault_id!r}")
        return self._handles[fault_id]


async def _all_ended(handles: Sequence[FaultHandle]) -> None:
    for handle in handles:
        await handle.ended.wait()
