"""One worker as its parent sees it: a process, a link, and what it last said."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from ..config.schema import Config
from ..core.events import Event
from ..telemetry.tally import Gauges, Tally
from .liveness import Pulse
from .messages import Answer, Begin, Do, Happened, Link, Ready, Snapshot

Sockets = Mapping[str, Sequence[socket.socket]]


class WorkerProcess:
    """Started by `start`; `gone` resolves with its exit code."""

    def __init__(self, number: int, sockets: Sockets, happened: Callable[[WorkerProcess, Event], None]) -> None:
        """`happened` is told what the worker's traffic made happen."""
        self.number = number
        self.latest = Snapshot(Tally(), Gauges(), {})
        self.pulse = Pulse()
        self._sockets = sockets
        self._happened = happened
        self._link: Link | None = None
        self._ready = asyncio.Event()
        self._questions = count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._process: subprocess.Popen[bytes]
        self._listening: asyncio.Task[None]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def start(self, config: Config, share: int, story: Callable[[], Sequence[Do]]) -> None:
        """Begin, and tell it all that it has missed. It is `ready` some time later."""
        ours, its = socket.socketpair()
        descriptors = {key: [sock.fileno() for sock in sockets] for key, sockets in self._sockets.items()}
        with its:
            self._process = await asyncio.to_thread(self._spawn, its, descriptors)
        link = await Link.over(ours)
        link.send(Begin(config, share, descriptors))
        for (
            told
        ) in story():  # nothing is awaited from here on: what is told meanwhile must not be told twice, nor never
            link.send(told)
        link.send(Ready())
        self._link = link
        self._listening = asyncio.create_task(self._listen(link))

    def _spawn(self, its: socket.socket, descriptors: Mapping[str, Sequence[int]]) -> subprocess.Popen[bytes]:
        inherited = [its.fileno(), *(number for numbers in descriptors.values() for number in numbers)]
        return subprocess.Popen([sys.executable, "-m", __package__, str(its.fileno())], pass_fds=inherited)

    @property
    def running(self) -> bool:
        """The process has not ended."""
        return self._process.poll() is None

    @property
    def started(self) -> bool:
        """It accepts connections, or has done so."""
        return self._ready.is_set()

    async def ready(self) -> bool:
        """Wait until it accepts connections; False if it has ended instead."""
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self.started

    async def gone(self) -> int:
        """Wait until it has ended; its exit code, negative for a signal."""
        await self._listening
        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        if self.running:
            self._process.kill()

    def send(self, message: object) -> None:
        """Tell it something; before it has begun and after it is gone that changes nothing."""
        if self._link is not None:
            self._link.send(message)

    async def ask(self, question: Callable[[int], object], timeout_s: float) -> Any:
        """Its answer, or None if there is none in time."""
        number = next(self._questions)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self.send(question(number))
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    async def _listen(self, link: Link) -> None:
        with contextlib.suppress(EOFError):
            while True:
                self._heard(await link.receive())
        link.close()
        self._link = None
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)

    def _heard(self, message: object) -> None:
        self.pulse.beat()
        match message:
            case Happened(event):
                self._happened(self, event)
            case Snapshot():
                self.latest = message
            case Answer(question, value):
                answer = self._asked.get(question)
                if answer is not None and not answer.done():
                    answer.set_result(value)
            case Ready():
                self._ready.set()
