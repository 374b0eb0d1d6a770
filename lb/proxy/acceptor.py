"""Accepts client connections: a listening socket, TLS, and PROXY headers.

Without PROXY headers and TLS, the event loop's server accepts connections. With them, this module accepts, in a task
for each new connection until its header is read and the handshake is done. There are two reasons: the header must be
read from the socket to the exact byte, so that TLS can begin right after it, and the event loop's server does not
report why a handshake has failed.
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
from .proxy_protocol import SIGNATURE, V1_LONGEST, V2_HEAD, ProxyHeaderError, parse_v1, parse_v2, v2_size

BACKLOG: Final = 1024
"""Connections that may wait to be accepted, such as a burst of clients during one iteration of the event loop."""
_TLS_SHUTDOWN_S: Final = 2.0
"""Seconds for the client to answer the balancer's TLS close_notify. The response has been sent before."""
_PAUSE_S: Final = 0.1
"""Seconds until the next attempt to accept if no file descriptor is left."""

ProtocolFactory = Callable[[Origin | None], asyncio.Protocol]
OnRefused = Callable[[str, str], None]
"""Function that is called with the address of a refused connection and the reason."""


@dataclass(frozen=True, slots=True)
class TlsHandshake:
    """The parameters of TLS handshakes."""

    context: ssl.SSLContext
    handshake_timeout: float
    """Seconds."""

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for the event loop."""
        return {
            "ssl": self.context,
            "ssl_handshake_timeout": self.handshake_timeout,
            "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
        }


@dataclass(slots=True)
class AcceptRules:
    """Which connections are accepted. The rules may be changed at any time."""

    networks: Sequence[Network]
    """The networks that must send PROXY headers; if headers are required, all others are refused."""
    timeout: float
    """Seconds from accepting a connection to the end of its header."""
    on_refused: OnRefused
    max_pending: int
    """Maximum of simultaneous connections without a complete header or handshake."""


class ListeningSite(web.BaseSite):
    """One listening socket of an aiohttp runner, with the balancer's protocol instead of aiohttp's."""

    def __init__(
        self,
        runner: web.BaseRunner,
        sock: socket.socket,
        factory: ProtocolFactory,
        *,
        rules: AcceptRules,
        tls: TlsHandshake | None = None,
        proxy_headers: bool = False,
    ) -> None:
        """`proxy_headers`: each connection must begin with a PROXY header."""
        super().__init__(runner, backlog=BACKLOG)
        self._sock = sock
        self._factory = factory
        self._rules = rules
        self._tls = tls
        self._proxy_headers = proxy_headers

    @property
    def name(self) -> str:
        """Name of the socket, which only aiohttp uses."""
        return str(self._sock.getsockname())

    async def start(self) -> None:
        """Start to accept connections."""
        await super().start()
        loop = asyncio.get_running_loop()
        if not self._proxy_headers and self._tls is None:
            self._server = await loop.create_server(lambda: self._factory(None), sock=self._sock, backlog=BACKLOG)
        else:
            acceptor = Acceptor(self._sock, self._factory, self._rules, self._tls, proxy_headers=self._proxy_headers)
            acceptor.start()
            self._server = cast(asyncio.AbstractServer, acceptor)  # only `close` and `sockets` are used


class Acceptor:
    """Accepts connections that begin with a PROXY header, a TLS handshake, or both in this order."""

    def __init__(
        self,
        sock: socket.socket,
        factory: ProtocolFactory,
        rules: AcceptRules,
        tls: TlsHandshake | None,
        *,
        proxy_headers: bool,
    ) -> None:
        self.sockets = (sock,)
        self._sock = sock
        self._factory = factory
        self._rules = rules
        self._tls = tls
        self._proxy_headers = proxy_headers
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start to listen and to accept connections."""
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._accepting = self._loop.create_task(self._accept())

    def close(self) -> None:
        """Stop listening, and close connections whose header or handshake is not complete."""
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
            task = self._loop.create_task(self._admit(sock, address[0]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _refusal(self, host: str) -> str:
        if self._proxy_headers and not is_within(host, self._rules.networks):
            return "proxy_header_untrusted"
        if len(self._tasks) >= self._rules.max_pending:
            return "proxy_header_pending" if self._proxy_headers else "tls_handshake_pending"
        return ""

    async def _admit(self, sock: socket.socket, host: str) -> None:
        """Read the header, then perform the handshake."""
        try:
            async with asyncio.timeout(self._rules.timeout if self._proxy_headers else None):
                origin = await read_origin(self._loop, sock) if self._proxy_headers else None
        except ProxyHeaderError:
            self._refuse(sock, host, "proxy_header_malformed")
        except TimeoutError:
            self._refuse(sock, host, "proxy_header_slow")
        except OSError:
            sock.close()
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            await self._start_protocol(sock, host, origin)

    async def _start_protocol(self, sock: socket.socket, host: str, origin: Origin | None) -> None:
        """Start TLS and the protocol. If the handshake fails or takes too long, the event loop closes the
        connection."""
        tls = self._tls.arguments() if self._tls else {}
        try:
            await self._loop.connect_accepted_socket(lambda: self._factory(origin), sock, **tls)
        except ssl.SSLError:
            self._rules.on_refused(host, "tls_handshake")
        except (ConnectionAbortedError, TimeoutError):
            self._rules.on_refused(host, "tls_handshake_slow")
        except OSError:  # the client has disconnected, like port scanners and TCP health checks
            return

    def _refuse(self, sock: socket.socket, host: str, reason: str) -> None:
        sock.close()
        self._rules.on_refused(host, reason)


async def read_origin(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> Origin | None:
    """Read exactly one header. Raise ProxyHeaderError or OSError."""
    start = await _exactly(loop, sock, len(SIGNATURE))
    if start == SIGNATURE:
        head = start + await _exactly(loop, sock, V2_HEAD - len(start))
        return parse_v2(head, await _exactly(loop, sock, v2_size(head)))
    if not start.startswith(b"PROXY "):
        raise ProxyHeaderError("no PROXY header")
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
    """Read the rest of a line. The bytes are peeked at first, because those after the line belong to TLS or HTTP."""
    line = start
    while not line.endswith(b"\n"):
        room = V1_LONGEST - len(line)
        if room <= 0:
            raise ProxyHeaderError(f"no end of line within {V1_LONGEST} bytes")
        line += await _exactly(loop, sock, 1)
        with suppress(BlockingIOError):
            ahead = sock.recv(room - 1, socket.MSG_PEEK) if room > 1 and not line.endswith(b"\n") else b""
            end = ahead.find(b"\n")
            line += sock.recv(end + 1 if end >= 0 else len(ahead)) if ahead else b""
    return line
