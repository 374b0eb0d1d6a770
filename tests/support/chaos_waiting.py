"""Poll a condition with a deadline instead of sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

T = TypeVar("T")


async def until(condition: Callable[[], bool], deadline_s: float = 2.0) -> None:
    """Return as soon as `condition` holds; raises TimeoutError after `deadline_s`."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - the condition belongs to somebody else
            await asyncio.sleep(0.005)


async def eventually(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], deadline_s: float) -> T:
    """Ask until the answer `holds`; fails with the last answer after `deadline_s`. Failing to ask is asked again."""
    last: object = None
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deadline_s
    while loop.time() < deadline:
        try:
            answer = await ask()
        except (OSError, aiohttp.ClientError) as error:
            last = error
        else:
            if holds(answer):
                return answer
            last = answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {deadline_s} s; last: {last}")
