"""What the operating system tells a balancer to do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator

_STOP = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stop_signals(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: set by the first and by the second SIGTERM or SIGINT."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def received() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _STOP:
        loop.add_signal_handler(number, received)
    try:
        yield stop, hurry
    finally:
        for number in _STOP:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def on_hangup(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> Iterator[None]:
    """Call `do` at each SIGHUP."""
    loop.add_signal_handler(signal.SIGHUP, do)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def unless(hurry: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Wait for `work`, but no longer than until `hurry` is set."""
    tasks = {asyncio.create_task(work), asyncio.create_task(hurry.wait())}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
