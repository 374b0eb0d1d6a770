"""Wait for a condition with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], timeout_s: float = 15.0) -> bool:
    """Poll until `holds`; False when it never did."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await holds():  # noqa: ASYNC110 (what is awaited is in another process and sends no event)
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False
    return True
