"""A queue that lets things out later than they came in, but never in another order.

Both userspace delay mechanisms use it: the relay holds bytes, the nfqueue scheduler holds packet ids. Pure: the
time is an argument.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Hold(Generic[T]):
    """First in, first out, each item not before its time (seconds on the caller's clock)."""

    def __init__(self) -> None:
        self._items: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: T, due: float) -> None:
        """Hold `item` until `due`, and until the item before it has left: jitter must not reorder a byte stream."""
        self._items.append((due, item))

    def release(self, now: float) -> Iterator[T]:
        """Everything that is due, oldest first."""
        while self._items and self._items[0][0] <= now:
            yield self._items.popleft()[1]

    def flush(self) -> Iterator[T]:
        """Everything, due or not: the fault is over."""
        return self.release(math.inf)

    @property
    def next_due(self) -> float | None:
        """When `release` has something to give; None while empty or held for ever."""
        return self._items[0][0] if self._items and self._items[0][0] != math.inf else None
