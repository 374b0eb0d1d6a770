"""The listening socket, open exactly while the backend's is.

A sentinel connection, which never sends a byte, tells of the backend's death at once and without any traffic: it ends
(FIN or RST), and the next connect is refused. A backend that is merely stopped (SIGSTOP) keeps its sockets, so the door
stays open then, as it does in front of a paused container.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

POLL_S = 0.05
"""Between two looks at a backend that does not listen."""
CONNECT_TIMEOUT_S = 2.0
BACKLOG = 1024

Address = tuple[str, int]


class Door:
    """Opens and closes the relay's listening socket; the port stays reserved while it is closed."""

    def __init__(self, listen: Address, upstream: Address, accept: Callable[[], asyncio.Protocol]) -> None:
        self.upstream = upstream
        self._accept = accept
        self._place = _bound(listen)
        self._server: asyncio.Server | None = None
        self._locked = False
        self._opening = asyncio.Lock()
        self._looking_again = asyncio.Event()

    @property
    def address(self) -> Address:
        """Host and port, also when port 0 was asked for."""
        host, port = self._place.getsockname()[:2]
        return str(host), int(port)

    @property
    def is_open(self) -> bool:
        """Whether new connections are accepted now."""
        return self._server is not None

    async def watch(self) -> None:
        """Follow the backend until cancelled."""
        try:
            while True:
                started = asyncio.get_running_loop().time()
                await self._sit_with_backend()
                if asyncio.get_running_loop().time() - started < POLL_S:
                    await asyncio.sleep(POLL_S)
        finally:
            self._shut()
            self._place.close()

    def doubt(self) -> None:
        """A connection to the backend was just refused: look now, not at the sentinel's end."""
        self._looking_again.set()

    async def lock(self) -> None:
        """Refuse new connections although the backend listens: the `refuse` fault."""
        self._locked = True
        async with self._opening:
            self._shut()

    async def unlock(self) -> None:
        """End of `lock`; opens at once if the backend listens."""
        self._locked = False
        self.doubt()
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await self._connect()
            writer.close()
            await self._open()

    async def _sit_with_backend(self) -> None:
        """Connect the sentinel and stay until it ends; a refusal closes the door."""
        self._looking_again.clear()
        try:
            reader, writer = await self._connect()
        except TimeoutError:
            return  # full backlog of a stopped process: it still listens
        except OSError:
            self._shut()
            return
        try:
            await self._open()
            await _first(reader.read(1), self._looking_again.wait())
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets the connect's own end.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(*self.upstream)

    async def _open(self) -> None:
        async with self._opening:  # the sentinel and `unlock` may both come here
            if self._server is None and not self._locked:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(self._accept, sock=_bound(self.address), backlog=BACKLOG)

    def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _bound(address: Address) -> socket.socket:
    """A bound socket that does not listen: connects to it are refused, and nobody else gets the port."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named: without, delayed ACKs add 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform != "linux":
        # Linux lets two SO_REUSEADDR sockets bind one port while none of them listens; BSD and macOS want this instead.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setblocking(False)
    try:
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
