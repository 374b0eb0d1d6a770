"""The retry budget: retries and hedges are a bounded share of the requests, so that an outage is not amplified.

After finagle's `RetryBudget` and linkerd's: every request deposits, every retry withdraws, deposits expire. It is
counted when a retry is decided, not when it is sent: retries that wait would escape it otherwise.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

BUCKETS: Final = 10
"""The window slides by a tenth of itself."""


@dataclass(slots=True)
class _Bucket:
    index: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """In every window that ends with a retry: retries ≤ `ratio` × requests + `min_per_s` × `window` (seconds)."""

    def __init__(self, ratio: float, min_per_s: float, window: float) -> None:
        self._ratio = ratio
        self._reserve = min_per_s * window
        self._width = window / BUCKETS
        self._recent: deque[_Bucket] = deque([_Bucket(0)], maxlen=BUCKETS + 1)
        self._until = 0.0

    def deposit(self, now: float) -> None:
        """A request arrived."""
        self._bucket(now).requests += 1

    def withdraw(self, now: float) -> bool:
        """Take one retry out, if it is there."""
        bucket = self._bucket(now)
        if self._spent(bucket.index) + 1 > self._earned(bucket.index):
            return False
        bucket.retries += 1
        return True

    def _earned(self, index: int) -> float:
        """From whole buckets that lie inside the window; `_spent` counts the one it cuts, too. Both err on the safe
        side, so that the promise holds for the exact window."""
        return self._reserve + self._ratio * sum(b.requests for b in self._recent if b.index > index - BUCKETS)

    def _spent(self, index: int) -> int:
        return sum(b.retries for b in self._recent if b.index >= index - BUCKETS)

    def _bucket(self, now: float) -> _Bucket:
        if now >= self._until:
            index = int(now // self._width)
            self._until = (index + 1) * self._width
            self._recent.append(_Bucket(index))
        return self._recent[-1]
