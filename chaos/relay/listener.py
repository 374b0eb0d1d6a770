"""The listening socket of a relay, open exactly while the backend listens.

A sentinel connection to the backend, on which no byte is sent, detects its death at once and without traffic: the
connection ends (FIN or RST), and the next connect is refused. A backend that is only paused (SIGSTOP) keeps its
sockets, so the relay keeps listening, as the kernel does for a paused container.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import Any

POLL_S = 0.05
"""Seconds between two attempts to connect to a backend that does not listen."""
CONNECT_TIMEOUT_S = 2.0
BACKLOG = 1024

Address = tuple[str, int]


class Listener:
    """Opens and closes the relay's listening socket. The port stays reserved while it is closed."""

    def __init__(self, listen: Address, upstream: Address, accept: Callable[[], asyncio.Protocol]) -> None:
        self.upstream = upstream
        self._accept = accept
        self._reservation = _bound(listen)
        self._server: asyncio.Server | None = None
        self._locked = False
        self._backend_listens = False
        self._opening = asyncio.Lock()
        self._recheck = asyncio.Event()

    @property
    def address(self) -> Address:
        """Host and port to listen on. If port 0 was requested, the port that the kernel chose."""
        host, port = self._reservation.getsockname()[:2]
        return str(host), int(port)

    @property
    def is_open(self) -> bool:
        """Return whether new connections are accepted now."""
        return self._server is not None

    async def watch(self) -> None:
        """Open and close the socket as the backend's state changes, until cancelled."""
        try:
            while True:
                started = asyncio.get_running_loop().time()
                await self._hold_sentinel()
                if asyncio.get_running_loop().time() - started < POLL_S:
                    await asyncio.sleep(POLL_S)
        finally:
            self._close()
            self._reservation.close()

    def doubt(self) -> None:
        """Check the backend now, without waiting for the sentinel, because a connection was just refused."""
        self._recheck.set()

    async def lock(self) -> None:
        """Refuse new connections although the backend listens: the `refuse` fault."""
        self._locked = True
        async with self._opening:
            self._close()

    async def unlock(self) -> None:
        """Undo `lock`; listen at once if the backend does."""
        self._locked = False
        self.doubt()
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await self._connect()
            writer.close()
            await self._open()

    async def reopen(self) -> None:
        """Undo `lock` without a new connection to the backend: listen if the backend did when it was last checked."""
        self._locked = False
        if self._backend_listens:
            await self._open()

    async def _hold_sentinel(self) -> None:
        """Connect the sentinel and wait until it ends. If it is refused, stop listening."""
        self._recheck.clear()
        try:
            reader, writer = await self._connect()
        except TimeoutError:
            return  # the backlog of a paused process is full: it still listens
        except OSError:
            self._backend_listens = False
            self._close()
            return
        try:
            self._backend_listens = True
            await self._open()
            await _first(reader.read(1), self._recheck.wait())
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Not `wait_for`: before Python 3.12 it loses a cancellation that coincides with the end of the connect.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(*self.upstream)

    async def _open(self) -> None:
        async with self._opening:  # the sentinel and `unlock` may call it at the same time
            if self._server is None and not self._locked:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(self._accept, sock=_bound(self.address), backlog=BACKLOG)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _bound(address: Address) -> socket.socket:
    """Return a socket that is bound but does not listen: connects are refused, and no other program gets the port."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    # asyncio disables Nagle's algorithm only if the protocol is explicit; with it, delayed ACKs would add 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform != "linux":
        # Linux lets two SO_REUSEADDR sockets bind one port while neither listens; BSD and macOS need SO_REUSEPORT for
        # that.
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
