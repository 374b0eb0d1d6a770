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
"""One slice of burning, 30–300 µs of SHA-256: short enough to stop promptly, long enough to stay in C."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time (Unix seconds, from `X-Deadline`) after which nobody waits for the answer; None when nobody said.

    The wall clock is the right one: the balancer that set it may run in another container, and a process that was
    paused must see on resume that the time has passed, which both clocks show.
    """

    unix: float | None

    def check(self) -> None:
        """Raises `DeadlinePassedError` when it is over."""
        if self.unix is not None and time.time() > self.unix:
            raise DeadlinePassedError


class Burner:
    """Burns CPU time in a few threads.

    Not on the event loop, where 100 ms of work would keep `/health` waiting 100 ms and get a busy replica ejected as
    a hung one. Threads are enough because SHA-256 of a large block releases the GIL. One thread a processor: more
    would only make every job slower; the rest queue, as they would on any busy server.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="burn")
        self._free = asyncio.Semaphore(threads)
        self._stop = threading.Event()

    async def run(self, cpu_s: float, deadline: Deadline) -> None:
        """Use `cpu_s` seconds of CPU time (not wall time). Checks the deadline when its turn has come."""
        async with self._free:
            deadline.check()
            await asyncio.get_running_loop().run_in_executor(self._pool, self._burn, cpu_s)

    def close(self) -> None:
        """Cut what is burning short: interpreter exit would otherwise wait for it."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _burn(self, cpu_s: float) -> None:
        end = time.thread_time() + cpu_s
        while time.thread_time() < end and not self._stop.is_set():
            hashlib.sha256(_BLOCK)


async def perform(burner: Burner, cpu_s: float, sleep_s: float, deadline: Deadline) -> float:
    """Burn, then sleep; answers the wall seconds it took. Raises `DeadlinePassedError` instead of starting late."""
    deadline.check()
    started = time.monotonic()
    if cpu_s:
        await burner.run(cpu_s, deadline)
    if sleep_s:
        await asyncio.sleep(sleep_s)
    return time.monotonic() - started
