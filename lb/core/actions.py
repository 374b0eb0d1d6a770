"""What the balancer answers to the shell: steps of an exchange, and actions that time brings about."""

from __future__ import annotations

from dataclasses import dataclass

from .exchange import Attempt, Exchange


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
