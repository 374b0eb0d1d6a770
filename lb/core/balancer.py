"""The one object that the shell talks to: it is told what happened and answers what to do. Synchronous and pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lb.core.backend import Backend, State
from lb.core.events import Emit
from lb.core.exchange import Attempt, Exchange, Failure
from lb.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Refusal:
    """No attempt is possible (any more): answer the client with this."""

    status: int
    reason: str
    """One word for the `X-Lb-Error` header and the log."""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """Every usable backend is at its cap: the exchange waits; `tick` or a finished attempt hands it back."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt is past its per-try time-out (or its exchange past its deadline): close it, report `failed`."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StartHedge:
    """Start this second attempt of an exchange; the first answer wins, cancel the other."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Resume:
    """A queued exchange may go: `step` is what `next` would have answered."""

    exchange: Exchange
    step: Attempt | Refusal


Action = TimedOut | StartHedge | Resume


class Balancer:
    """Registry, health, policy, retries, hedges and admission behind one synchronous interface."""

    def __init__(self, settings: Settings, rng: Random, emit: Emit) -> None:
        raise NotImplementedError

    # --- membership: discovery and admin ---
    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend (UNKNOWN). The same id at the same address, while draining out, is taken back."""
        raise NotImplementedError

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend; it leaves the registry when nothing is in flight on it."""
        raise NotImplementedError

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word: DRAIN, MAINT, or UP (back to UNKNOWN, to be probed)."""
        raise NotImplementedError

    @property
    def backends(self) -> Sequence[Backend]:
        """All known backends, in order of insertion."""
        raise NotImplementedError

    # --- probes ---
    def probed(self, backend: Backend, failure: str, took: float, now: float, name: str = "") -> float:
        """Record a finished probe (`failure` empty = passed) and answer how long to wait before the next one."""
        raise NotImplementedError

    # --- requests ---
    def admit(self, method: str, now: float, *, idempotency_key: bool = False, hash_key: bytes = b"") -> Exchange:
        """A request arrived. Counts towards the retry budget."""
        raise NotImplementedError

    def next(self, exchange: Exchange, now: float) -> Attempt | Queued | Refusal:
        """Pick a backend not tried yet and count the attempt as in flight, or say why there is none."""
        raise NotImplementedError

    def sent(self, attempt: Attempt, now: float) -> None:
        """The first request byte was written: the stall and per-try clocks start."""
        raise NotImplementedError

    def answered(self, attempt: Attempt, status: int, now: float) -> bool:
        """The response head is complete. False: do not forward it (a gateway error to retry, or a hedge already won);
        the shell drops the attempt's connection or drains it, reports nothing more for it, and calls `next`
        if the exchange has no attempt left."""
        raise NotImplementedError

    def completed(self, attempt: Attempt, now: float) -> list[Resume]:
        """Request and response are complete. Answers the queued exchanges that may go now."""
        raise NotImplementedError

    def failed(self, attempt: Attempt, failure: Failure, now: float) -> bool:
        """The attempt failed. True: call `next` for another try. False: give up (or a hedge twin is still running)."""
        raise NotImplementedError

    def cancelled(self, attempt: Attempt, now: float) -> list[Resume]:
        """The attempt ended through no fault of the backend: client gone, or its twin won."""
        raise NotImplementedError

    def tick(self, now: float) -> list[Action]:
        """Everything that depends on time passing: stalls, time-outs, hedges, ejection expiry, slow start, queue."""
        raise NotImplementedError
