"""The parent's handle on one worker: its process, its message channel, and its latest statistics."""

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
from ..telemetry.request_stats import Gauges, RequestTotals
from .liveness import Liveness
from .messages import BalancerCall, EventReport, MessageChannel, Ready, Reply, Snapshot, Start

Sockets = Mapping[str, Sequence[socket.socket]]


class WorkerProcess:
    """Starts a worker, exchanges messages with it, and waits until it ends."""

    def __init__(self, number: int, sockets: Sockets, on_event: Callable[[WorkerProcess, Event], None]) -> None:
        """`on_event` gets the events that the worker's traffic causes."""
        self.number = number
        self.latest = Snapshot(RequestTotals(), Gauges(), {})
        self.liveness = Liveness()
        self._sockets = sockets
        self._on_event = on_event
        self._channel: MessageChannel | None = None
        self._ready = asyncio.Event()
        self._request_numbers = count(1)
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._process: subprocess.Popen[bytes]
        self._listening: asyncio.Task[None]

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def start(self, config: Config, share: int, replay: Callable[[], Sequence[BalancerCall]]) -> None:
        """Start the process and send it the current state, as the calls that `replay` returns. See `ready`."""
        ours, theirs = socket.socketpair()
        descriptors = {key: [sock.fileno() for sock in sockets] for key, sockets in self._sockets.items()}
        with theirs:
            self._process = await asyncio.to_thread(self._spawn, theirs, descriptors)
        channel = await MessageChannel.open(ours)
        channel.send(Start(config, share, descriptors))
        # Nothing is awaited from here on, so that the worker gets every later change exactly once.
        for call in replay():
            channel.send(call)
        channel.send(Ready())
        self._channel = channel
        self._listening = asyncio.create_task(self._listen(channel))

    def _spawn(self, theirs: socket.socket, descriptors: Mapping[str, Sequence[int]]) -> subprocess.Popen[bytes]:
        inherited = [theirs.fileno(), *(number for numbers in descriptors.values() for number in numbers)]
        return subprocess.Popen([sys.executable, "-m", __package__, str(theirs.fileno())], pass_fds=inherited)

    @property
    def running(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    @property
    def started(self) -> bool:
        """Whether the worker accepts, or has accepted, connections."""
        return self._ready.is_set()

    async def ready(self) -> bool:
        """Wait until the worker accepts connections. Return False if it has ended instead."""
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._listening}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self.started

    async def wait(self) -> int:
        """Wait until the worker has ended. Return its exit code, negative for a signal."""
        await self._listening
        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """Kill the process if it has not ended."""
        if self.running:
            self._process.kill()

    def send(self, message: object) -> None:
        """Send a message. Do nothing if the worker is not running."""
        if self._channel is not None:
            self._channel.send(message)

    async def ask(self, make_request: Callable[[int], object], timeout_s: float) -> Any:
        """Send a request and return the reply, or None if none comes within `timeout_s` seconds.

        `make_request` gets the number that identifies request and reply.
        """
        number = next(self._request_numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self.send(make_request(number))
        try:
            return await asyncio.wait_for(reply, timeout_s)
        except TimeoutError:
            return None
        finally:
            del self._replies[number]

    async def _listen(self, channel: MessageChannel) -> None:
        with contextlib.suppress(EOFError):
            while True:
                self._handle(await channel.receive())
        channel.close()
        self._channel = None
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result(None)

    def _handle(self, message: object) -> None:
        self.liveness.heard()
        match message:
            case EventReport(event):
                self._on_event(self, event)
            case Snapshot():
                self.latest = message
            case Reply(request, value):
                reply = self._replies.get(request)
                if reply is not None and not reply.done():
                    reply.set_result(value)
            case Ready():
                self._ready.set()
