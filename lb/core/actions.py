"""Results that the core returns to the shell: the next step of an exchange, and the actions of a tick."""

from __future__ import annotations

from dataclasses import dataclass

from .exchange import Attempt, Exchange


@dataclass(frozen=True, slots=True)
class Refusal:
    """No attempt, or no further one, is possible. Send this response to the client."""

    status: int
    reason: str
    """One word for the `X-Lb-Error` header and the log."""
    retry_after: float | None = None
    """Seconds for the `Retry-After` header; None for no header."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The exchange waits because every usable backend is at its cap. A later `Resume` continues it."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Close this attempt and report it as failed: its per-try time-out or the deadline of its exchange has passed."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class StartHedge:
    """Start this second attempt of an exchange. The first response wins; cancel the other attempt."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Resume:
    """Continue a queued exchange. `step` is what `Balancer.next` would have returned."""

    exchange: Exchange
    step: Attempt | Refusal


Action = TimedOut | StartHedge | Resume
