"""Finds attempts that have waited so long that a second backend should be tried in parallel.

Dean and Barroso, "The Tail at Scale": a hedge that is sent after the expected latency costs little and shortens the
tail. Here the expected latency is the stall threshold of the backend. When a backend is suspected, all attempts that
wait on it are hedged at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .backend import Backend
from .exchange import Attempt


class HedgeWatch:
    """Tracks the attempts without a response. A tick costs O(backends in use + attempts stalled on them)."""

    def __init__(self, threshold: Callable[[Backend], float]) -> None:
        self._threshold = threshold
        self._in_use: dict[Backend, None] = {}
        self._connecting: dict[Attempt, None] = {}

    def started(self, attempt: Attempt) -> None:
        """Track the attempt while it connects or waits for a pooled connection."""
        self._connecting[attempt] = None

    def sent(self, attempt: Attempt) -> None:
        """Record that the attempt now waits for its first byte, in `backend.waiting`."""
        self._connecting.pop(attempt, None)
        self._in_use[attempt.backend] = None

    def ended(self, attempt: Attempt) -> None:
        """Stop tracking the attempt, whether or not it was sent."""
        self._connecting.pop(attempt, None)

    def stalled(self, now: float) -> Iterator[Attempt]:
        """Yield attempts older than their backend's threshold, and all on a suspected backend, oldest first."""
        for backend in list(self._in_use):
            if backend.waiting:
                yield from self._stalled_on(backend, now)
            else:
                del self._in_use[backend]
        for attempt in list(self._connecting):
            if now - attempt.started > self._threshold(attempt.backend):
                yield attempt

    def _stalled_on(self, backend: Backend, now: float) -> Iterator[Attempt]:
        threshold = 0.0 if backend.suspected else self._threshold(backend)
        for attempt, sent in list(backend.waiting.items()):
            if now - sent < threshold:
                break
            yield attempt
