"""Requests at a steady rate in a thread, each judged by its status alone. For tests that are not about timing."""

from __future__ import annotations

import asyncio
import threading
from typing import Self

import aiohttp


class Load:
    """GET requests at `rate` a second for the length of the context; `bad` says what was not answered with 200."""

    def __init__(self, base: str, rate: float) -> None:
        self.sent = 0
        self.bad: list[str] = []
        self._url = f"{base}/work?sleep_ms=5"
        self._pause_s = 1 / rate
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    async def _run(self) -> None:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            asyncio.TaskGroup() as group,
        ):
            while not self._ending.is_set():
                group.create_task(self._one(session))
                await asyncio.sleep(self._pause_s)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        self.sent += 1
        try:
            async with session.get(self._url) as answer:
                await answer.read()
                if answer.status != 200:
                    self.bad.append(f"{answer.status} {answer.headers.get('X-Lb-Error')}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.bad.append(repr(error))
