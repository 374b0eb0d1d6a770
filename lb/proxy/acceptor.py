"""Where clients come in: a socket that listens, TLS, and PROXY headers.

Without PROXY headers and TLS the event loop accepts and nothing of ours is in between. With them, each new connection
is a task until its header is read, byte-exactly from the socket, so that TLS can begin right behind it, and until the
handshake is done: the event loop would keep to itself why one failed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from aiohttp import web

from ..core.headers import Network, is_within
from ..errors import is_our_own
from .origin import Origin
from .proxy_protocol import SIGNATURE, V1_LONGEST, V2_HEAD, PrefaceError, parse_v1, parse_v2, v2_size

BACKLOG: Final = 1024
"""Connections that may wait to be accepted: a burst of clients, while one turn of the loop is served."""
_GOODBYE_S: Final = 2.0
"""For the client to answer the end of TLS; what it was owed has been sent by then."""
_PAUSE_S: Final = 0.1
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
class Rules:
    """Who is let in; may be changed while connections come in."""

    networks: Sequence[Network]
    """Who must send PROXY headers; nobody else is let in where they are wanted at all."""
    timeout: float
    """Seconds from the connection to the end of its header."""
    on_refused: OnRefused
    most: int
    """Connections without a complete header or handshake at a time."""


class Gate(web.BaseSite):
    """One listening socket of a runner, with its own kind of protocol behind it."""

    def __init__(
        self,
        runner: web.BaseRunner,
        sock: socket.socket,
        factory: Factory,
        *,
        rules: Rules,
        tls: TlsGate | None = None,
        headers: bool = False,
    ) -> None:
        """`headers`: each connection begins with a PROXY header."""
        super().__init__(runner, backlog=BACKLOG)
        self._sock = sock
        self._factory = factory
        self._rules = rules
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
        if not self._headers and self._tls is None:
            self._server = await loop.create_server(lambda: self._factory(None), sock=self._sock, backlog=BACKLOG)
        else:
            acceptor = Acceptor(self._sock, self._factory, self._rules, self._tls, headers=self._headers)
            acceptor.start()
            self._server = cast(asyncio.AbstractServer, acceptor)  # close and sockets: all that is used of it


class Acceptor:
    """Accepts connections that begin with a PROXY header, a TLS handshake, or the one and then the other."""

    def __init__(
        self, sock: socket.socket, factory: Factory, rules: Rules, tls: TlsGate | None, *, headers: bool
    ) -> None:
        self.sockets = (sock,)
        self._sock = sock
        self._factory = factory
        self._rules = rules
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
        """Listen no more; connections whose header or handshake is not complete end."""
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
                self._refuse(sock, address[0], refusal)
                continue
            task = self._loop.create_task(self._let_in(sock, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _refusal(self, host: str) -> str:
        if self._headers and not is_within(host, self._rules.networks):
            return "proxy_header_untrusted"
        if len(self._tasks) >= self._rules.most:
            return "proxy_header_pending" if self._headers else "tls_handshake_pending"
        return ""

    async def _let_in(self, sock: socket.socket, host: str) -> None:
        """Read the header, then shake hands."""
        try:
            async with asyncio.timeout(self._rules.timeout if self._headers else None):
                origin = await read_origin(self._loop, sock) if self._headers else None
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
            await self._begin(sock, host, origin)

    async def _begin(self, sock: socket.socket, host: str, origin: Origin | None) -> None:
        """Where a handshake fails or takes too long, the loop closes the connection."""
        tls = self._tls.arguments() if self._tls else {}
        try:
            await self._loop.connect_accepted_socket(lambda: self._factory(origin), sock, **tls)
        except ssl.SSLError:
            self._rules.on_refused(host, "tls_handshake")
        except (ConnectionAbortedError, TimeoutError):
            self._rules.on_refused(host, "tls_handshake_slow")
        except OSError:  # it left: a port scan, or somebody's check that connects and no more
            return

    def _refuse(self, sock: socket.socket, host: str, reason: str) -> None:
        sock.close()
        self._rules.on_refused(host, reason)


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
