"""Which attempts wait so long that a second backend should be asked as well.

Dean and Barroso, "The Tail at Scale": a hedge sent after the expected latency costs little and cuts the tail. Here
"expected" is the backend's own stall threshold, and a suspicion counts for all that wait on the suspect at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .backend import Backend
from .exchange import Attempt


class HedgeWatch:
    """Follows the attempts that have no answer yet. A tick costs O(backends in use + attempts stalled on them)."""

    def __init__(self, threshold: Callable[[Backend], float]) -> None:
        self._threshold = threshold
        self._in_use: dict[Backend, None] = {}
        self._connecting: dict[Attempt, None] = {}

    def started(self, attempt: Attempt) -> None:
        """The attempt connects, or waits for a connection of the pool."""
        self._connecting[attempt] = None

    def sent(self, attempt: Attempt) -> None:
        """The attempt waits for its first byte, in `backend.waiting`."""
        self._connecting.pop(attempt, None)
        self._in_use[attempt.backend] = None

    def ended(self, attempt: Attempt) -> None:
        """The attempt is over, perhaps without having been sent."""
        self._connecting.pop(attempt, None)

    def stalled(self, now: float) -> Iterator[Attempt]:
        """Attempts older than their backend's threshold, and all that wait on a suspected one; oldest first."""
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
