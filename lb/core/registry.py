"""The set of backends and what is known of each: who is usable, and why.

Facts come in (probe results, the life of every attempt, the passing of time) and change standing; events go out.
The life of an attempt is `attempt_started`, perhaps `attempt_sent`, perhaps `attempt_answered`, then exactly one of
`attempt_completed`, `attempt_failed`, `attempt_cancelled`, which release it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from lb.core.backend import Backend, State
from lb.core.events import Emit
from lb.core.exchange import Attempt, Failure
from lb.core.settings import Settings


class Registry:
    """All backends in order of insertion. Synchronous; `now` is monotonic seconds and never goes back."""

    usable: tuple[Backend, ...]
    """Whom a policy may pick: a snapshot that stays the same object until something changes."""
    version: int
    """Counts the changes of `usable` and of weights, so that a policy knows when to rebuild its tables."""
    panic: bool
    """No backend is usable. Policy `open`: `usable` holds the DOWN and EJECTED ones; `closed`: it is empty."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        raise NotImplementedError

    # --- membership ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend (UNKNOWN). The same id at the same address, while draining out, is taken back (UNKNOWN).

        The same id at another address drains the old one out and adds a new one; at the same address while it is a
        member, only the weight is updated.
        """
        raise NotImplementedError

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend; it leaves (`Removed`) when nothing is in flight on it. Unknown ids: KeyError."""
        raise NotImplementedError

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word: DRAIN, MAINT, or UP (back to UNKNOWN, to be probed). KeyError, ValueError."""
        raise NotImplementedError

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word on the configured weight; 0 takes no new traffic from weighted policies. KeyError."""
        raise NotImplementedError

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends, in order of insertion; those draining out included."""
        raise NotImplementedError

    def get(self, backend_id: str) -> Backend | None:
        """The member of that id; one that drains out counts only while no other has its id."""
        raise NotImplementedError

    # --- probes ---
    def probed(self, backend: Backend, failure: str, took: float, now: float, name: str = "") -> float:
        """Record a finished probe (`failure` empty = passed) and answer the seconds to wait before the next one."""
        raise NotImplementedError

    # --- attempts ---
    def attempt_started(self, attempt: Attempt, now: float) -> None:
        """Picked: counts as in flight on `attempt.backend`."""
        raise NotImplementedError

    def attempt_sent(self, attempt: Attempt, now: float) -> None:
        """First request byte written: it is in `backend.waiting` now and can stall."""
        raise NotImplementedError

    def attempt_answered(self, attempt: Attempt, status: int, now: float) -> None:
        """Response head complete: a latency sample, an end of suspicion, and a passive verdict on `status`.

        The verdict on a 5xx is counted here, so `attempt_failed(…, GATEWAY)` after it does not count again.
        """
        raise NotImplementedError

    def attempt_completed(self, attempt: Attempt, now: float) -> None:
        """Released after a complete response."""
        raise NotImplementedError

    def attempt_failed(self, attempt: Attempt, failure: Failure, now: float) -> None:
        """Released after a failure, which counts against the backend and may eject it or want a probe."""
        raise NotImplementedError

    def attempt_cancelled(self, attempt: Attempt, now: float) -> None:
        """Released through no fault of the backend: client gone, or the attempt's twin won."""
        raise NotImplementedError

    def stall_threshold(self, backend: Backend) -> float:
        """Seconds without a first byte after which an attempt on the backend counts as stalled (hedge then)."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Stalls, ends of ejections, ramps. To be called every `settings.tick` seconds."""
        raise NotImplementedError
