"""Waits for a condition that can only be polled, such as the state of another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], within_s: float, every_s: float = 0.1) -> T:
    """Call `condition` every `every_s` seconds until it returns a true value or `within_s` seconds have passed.

    Return its last result, which is false if the time ran out. It is called at least once.
    """
    deadline = time.monotonic() + within_s
    while not (result := await condition()) and time.monotonic() < deadline:  # noqa: ASYNC110 - it cannot notify us
        await asyncio.sleep(every_s)
    return result
