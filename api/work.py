"""Dummy work: use CPU, sleep, and refuse requests whose deadline has passed."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .errors import DeadlinePassedError

_BLOCK = bytes(64 * 1024)
"""Input of one hash, 30–300 µs of SHA-256: short enough to stop promptly, long enough to spend the time in C."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time (Unix seconds, from `X-Deadline`) after which the client no longer waits; None without that field.

    It is in wall-clock time, because the balancer that set it may run in another container. After a pause of the
    process, the wall clock also shows that the time has passed.
    """

    unix: float | None

    def check(self) -> None:
        """Raise DeadlinePassedError if the deadline has passed."""
        if self.unix is not None and time.time() > self.unix:
            raise DeadlinePassedError


class Burner:
    """Uses CPU time in a few threads.

    On the event loop, 100 ms of work would delay `/health` by 100 ms, and a busy replica would be ejected like a hung
    one. Threads are enough because SHA-256 of a large block releases the GIL. There is one thread for each processor,
    because more would only make every job slower; other jobs wait in a queue.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="burn")
        self._free = asyncio.Semaphore(threads)
        self._stop = threading.Event()

    async def run(self, cpu_s: float, deadline: Deadline) -> None:
        """Use `cpu_s` seconds of CPU time (not wall time). Raise DeadlinePassedError if no thread was free in time."""
        async with self._free:
            deadline.check()
            await asyncio.get_running_loop().run_in_executor(self._pool, self._burn, cpu_s)

    def close(self) -> None:
        """Stop the work in progress, because the exit of the interpreter would otherwise wait for it."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _burn(self, cpu_s: float) -> None:
        end = time.thread_time() + cpu_s
        while time.thread_time() < end and not self._stop.is_set():
            hashlib.sha256(_BLOCK)


async def perform(burner: Burner, cpu_s: float, sleep_s: float, deadline: Deadline) -> float:
    """Use CPU, then sleep. Return the elapsed wall time in seconds.

    Raise DeadlinePassedError if the work could not start before the deadline.
    """
    deadline.check()
    started = time.monotonic()
    if cpu_s:
        await burner.run(cpu_s, deadline)
    if sleep_s:
        await asyncio.sleep(sleep_s)
    return time.monotonic() - started
