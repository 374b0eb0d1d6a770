"""The retry budget: retries and hedges are a bounded share of the requests, so that they cannot amplify an outage.

Modelled on `RetryBudget` of finagle and linkerd: every request deposits, every retry withdraws, and deposits expire. A
retry is counted when it is decided and not when it is sent, because retries that wait would otherwise escape the
budget.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

BUCKETS: Final = 10
"""Number of buckets in the window: it slides in steps of a tenth of its length."""


@dataclass(slots=True)
class _Bucket:
    index: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """Guarantees, for every window that ends with a retry: retries ≤ `ratio` × requests + `min_per_s` × `window`
    (seconds)."""

    def __init__(self, ratio: float, min_per_s: float, window: float) -> None:
        self._ratio = ratio
        self._reserve = min_per_s * window
        self._width = window / BUCKETS
        self._recent: deque[_Bucket] = deque([_Bucket(0)], maxlen=BUCKETS + 1)
        self._until = 0.0

    def deposit(self, now: float) -> None:
        """Count a request."""
        self._bucket(now).requests += 1

    def withdraw(self, now: float) -> bool:
        """Count a retry and return True; return False if the budget is used up."""
        bucket = self._bucket(now)
        if self._spent(bucket.index) + 1 > self._earned(bucket.index):
            return False
        bucket.retries += 1
        return True

    def _earned(self, index: int) -> float:
        """Return the retries that the requests of the window allow.

        Only buckets that lie completely inside the window count here, while `_spent` also counts the bucket at its
        edge. Both errors are on the safe side, so the guarantee holds for the exact window.
        """
        return self._reserve + self._ratio * sum(b.requests for b in self._recent if b.index > index - BUCKETS)

    def _spent(self, index: int) -> int:
        return sum(b.retries for b in self._recent if b.index >= index - BUCKETS)

    def _bucket(self, now: float) -> _Bucket:
        if now >= self._until:
            index = int(now // self._width)
            self._until = (index + 1) * self._width
            self._recent.append(_Bucket(index))
        return self._recent[-1]
