"""Where clients come in: a socket that listens, TLS, and PROXY headers.

Without PROXY headers the event loop accepts and nothing of ours is in between. With them, each new connection is a task
until its header is read, byte-exactly from the socket, so that TLS can begin right behind it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from aiohttp import web

from lb.core.headers import Network, is_within
from lb.errors import is_our_own
from lb.proxy.origin import Origin
from lb.proxy.preface import SIGNATURE, V1_LONGEST, V2_HEAD, PrefaceError, parse_v1, parse_v2, v2_size

BACKLOG = 1024
"""Connections that may wait to be accepted: a burst of clients, while one turn of the loop is served."""
_GOODBYE_S = 2.0
"""For the client to answer the end of TLS; what it was owed has been sent by then."""
_PAUSE_S = 0.1
"""Until accepting is tried again when there is no file descriptor left."""

Factory = Callable[[Origin | None], asyncio.Protocol]
OnRefused = Callable[[str, str], None]
"""Told the address and the reason of a connection that was not let in."""


@dataclass(frozen=True, slots=True)
class TlsGate:
    """How TLS begins."""

    context: ssl.SSLContext
    handshake_timeout: float
    """Seconds."""

    def arguments(self) -> dict[str, Any]:
        """For the event loop."""
        return {
            "ssl": self.context,
            "ssl_handshake_timeout": self.handshake_timeout,
            "ssl_shutdown_timeout": _GOODBYE_S,
        }


@dataclass(slots=True)
class Headers:
    """Who must send PROXY headers; may be changed while connections come in."""

    networks: Sequence[Network]
    timeout: float
    """Seconds from the connection to the end of its header."""
    on_refused: OnRefused
    most: int
    """Connections without a complete header at a time."""


class Gate(web.BaseSite):
    """One listening socket of a runner, with its own kind of protocol behind it."""

    def __init__(
        self,
        runner: web.BaseRunner,
        sock: socket.socket,
        factory: Factory,
        *,
        tls: TlsGate | None = None,
        headers: Headers | None = None,
    ) -> None:
        super().__init__(runner, backlog=BACKLOG)
        self._sock = sock
        self._factory = factory
        self._tls = tls
        self._headers = headers

    @property
    def name(self) -> str:
        """Only aiohttp asks."""
        return str(self._sock.getsockname())

    async def start(self) -> None:
        """Accept from now on."""
        await super().start()
        loop = asyncio.get_running_loop()
        if self._headers is None:
            tls = self._tls.arguments() if self._tls else {}
            self._server = await loop.create_server(
                lambda: self._factory(None), sock=self._sock, backlog=BACKLOG, **tls
            )
        else:
            acceptor = Acceptor(self._sock, self._factory, self._tls, self._headers)
            acceptor.start()
            self._server = cast(asyncio.AbstractServer, acceptor)  # close and sockets: all that is used of it


class Acceptor:
    """Accepts connections that begin with a PROXY header."""

    def __init__(self, sock: socket.socket, factory: Factory, tls: TlsGate | None, headers: Headers) -> None:
        self.sockets = (sock,)
        self._sock = sock
        self._factory = factory
        self._tls = tls
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen."""
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Listen no more; connections whose header is not complete end."""
        self._accepting.cancel()
        for task in self._tasks:
            task.cancel()
        self._sock.close()

    async def _accept(self) -> None:
        while True:
            try:
                sock, address = await self._loop.sock_accept(self._sock)
            except OSError as error:
                if is_our_own(error):
                    await asyncio.sleep(_PAUSE_S)
                continue
            if refusal := self._refusal(address[0]):
                sock.close()
                self._headers.on_refused(address[0], refusal)
                continue
            task = self._loop.create_task(self._introduce(sock, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _refusal(self, host: str) -> str:
        if not is_within(host, self._headers.networks):
            return "proxy_header_untrusted"
        return "proxy_header_pending" if len(self._tasks) >= self._headers.most else ""

    async def _introduce(self, sock: socket.socket, host: str) -> None:
        """Read the header, then let the connection in."""
        try:
            async with asyncio.timeout(self._headers.timeout):
                origin = await read_origin(self._loop, sock)
        except PrefaceError:
            self._refuse(sock, host, "proxy_header_malformed")
        except TimeoutError:
            self._refuse(sock, host, "proxy_header_slow")
        except OSError:
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            await self._let_in(sock, origin)

    async def _let_in(self, sock: socket.socket, origin: Origin | None) -> None:
        tls = self._tls.arguments() if self._tls else {}
        with suppress(OSError):  # a handshake that failed or took too long: the loop has closed the connection
            await self._loop.connect_accepted_socket(lambda: self._factory(origin), sock, **tls)

    def _refuse(self, sock: socket.socket, host: str, reason: str) -> None:
        sock.close()
        self._headers.on_refused(host, reason)


async def read_origin(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> Origin | None:
    """Read one header and not a byte more. Raises `PrefaceError`, `OSError`."""
    start = await _exactly(loop, sock, len(SIGNATURE))
    if start == SIGNATURE:
        head = start + await _exactly(loop, sock, V2_HEAD - len(start))
        return parse_v2(head, await _exactly(loop, sock, v2_size(head)))
    if not start.startswith(b"PROXY "):
        raise PrefaceError("no PROXY header")
    return parse_v1(await _line(loop, sock, start))


async def _exactly(loop: asyncio.AbstractEventLoop, sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await loop.sock_recv(sock, size - len(data))
        if not piece:
            raise ConnectionResetError("closed inside its PROXY header")
        data += piece
    return data


async def _line(loop: asyncio.AbstractEventLoop, sock: socket.socket, start: bytes) -> bytes:
    """The rest of a line. Looked at before it is taken, since what follows belongs to somebody else."""
    line = start
    while not line.endswith(b"\n"):
        room = V1_LONGEST - len(line)
        if room <= 0:
            raise PrefaceError(f"no end of line within {V1_LONGEST} bytes")
        line += await _exactly(loop, sock, 1)
        with suppress(BlockingIOError):
            ahead = sock.recv(room - 1, socket.MSG_PEEK) if room > 1 and not line.endswith(b"\n") else b""
            end = ahead.find(b"\n")
            line += sock.recv(end + 1 if end >= 0 else len(ahead)) if ahead else b""
    return line
