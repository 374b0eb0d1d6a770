"""Handlers of the balancer's signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator

_STOP = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def stop_signals(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Yield two events. The first SIGTERM or SIGINT sets the first event, another one sets the second event."""
    first, second = asyncio.Event(), asyncio.Event()

    def received() -> None:
        (second if first.is_set() else first).set()

    for number in _STOP:
        loop.add_signal_handler(number, received)
    try:
        yield first, second
    finally:
        for number in _STOP:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def on_hangup(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Iterator[None]:
    """Call `callback` at each SIGHUP."""
    loop.add_signal_handler(signal.SIGHUP, callback)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def run_until(event: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Run `work`, but cancel it if `event` is set before it has ended."""
    tasks = {asyncio.create_task(work), asyncio.create_task(event.wait())}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
