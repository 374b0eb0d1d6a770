"""A first-in, first-out queue whose items leave when they are due.

The relay uses it to delay bytes. Pure: the time is an argument.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Queue in which no item leaves before it is due (seconds on the caller's clock), nor before an earlier item."""

    def __init__(self) -> None:
        self._items: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: T, due: float) -> None:
        """Add an item. If it is due before an earlier item, it still leaves after that one, to keep the order."""
        self._items.append((due, item))

    def release(self, now: float) -> Iterator[T]:
        """Yield the items that are due, oldest first."""
        while self._items and self._items[0][0] <= now:
            yield self._items.popleft()[1]

    def flush(self) -> Iterator[T]:
        """Yield all items, due or not, because the fault has ended."""
        return self.release(math.inf)

    @property
    def next_due(self) -> float | None:
        """Return when the next item is due. None: the queue is empty, or that item waits until the fault ends."""
        return self._items[0][0] if self._items and self._items[0][0] != math.inf else None
