"""The data plane as something to start and stop: a protocol factory that aiohttp's runner and sites can host."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from ..core.backend import State
from ..core.events import Event, PanicChanged, Removed, Suspected, Transition
from ..core.headers import Network
from .affinity_key import KeyOf, Stickiness, no_key
from .client import ClientConnection
from .data_plane import Plane
from .limits import Limits
from .origin import Origin
from .request_record import OnDone, OnSession, ignore, ignore_session, refused
from .tcp_mode import TcpConnection
from .ticker import Ticker
from .upstream import connect

if TYPE_CHECKING:
    from ..core.balancer import Balancer


class ProxyServer:
    """Callable: makes the protocol of each client connection. Build it on the event loop that is to run it."""

    def __init__(
        self,
        balancer: Balancer,
        limits: Limits | None = None,
        *,
        connect_timeout: float = 0.25,
        tick: float = 0.01,
        trusted: Sequence[Network] = (),
        on_done: OnDone = ignore,
        key_of: KeyOf = no_key,
        sticky: Stickiness | None = None,
        load_feedback: bool = False,
        panic: str = "open",
        announce: str = "",
        on_session: OnSession = ignore_session,
        tcp_idle: float = 3600.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`connect_timeout` and `tick` (seconds) are `Settings.retry.connect_timeout` and `Settings.tick`; `trusted`
        are the networks whose `X-Forwarded-*` and `Forwarded` are believed; `panic` is `Settings.panic`; `announce` is
        the version (`v1`, `v2`) of the PROXY header that backends get."""
        loop = loop or asyncio.get_running_loop()
        self._plane = Plane(
            balancer,
            time.monotonic,  # what loop.time() is, but for uvloop's, which is cached and counts in milliseconds
            connect,
            limits,
            soon=loop.call_soon,
            trusted=trusted,
            on_done=on_done,
            connect_timeout=connect_timeout,
            key_of=key_of,
            sticky=sticky,
            load_feedback=load_feedback,
            announce=announce,
            on_session=on_session,
            tcp_idle=tcp_idle,
        )
        self._panic_line = b"X-Lb-Panic: %s\r\n" % panic.encode()
        self._ticker = Ticker(self._plane, loop, tick)
        self._ticker.start()

    def use(
        self,
        limits: Limits,
        *,
        connect_timeout: float,
        tick: float,
        trusted: Sequence[Network],
        key_of: KeyOf,
        sticky: Stickiness | None,
        load_feedback: bool,
        panic: str,
        tcp_idle: float,
    ) -> None:
        """Go by other settings, those of `__init__`, from now on; connections keep what they have read by the old."""
        plane = self._plane
        plane.use(limits)
        plane.connect_timeout = connect_timeout
        plane.trusted = trusted
        plane.key_of = key_of
        plane.sticky = sticky
        plane.load_feedback = load_feedback
        plane.tcp_idle = tcp_idle
        self._panic_line = b"X-Lb-Panic: %s\r\n" % panic.encode()
        plane.panic_line = self._panic_line if plane.balancer.panic else b""
        self._ticker.every(tick)

    def tell(self, told: Sequence[OnDone]) -> None:
        """Whom to tell of finished requests from now on, instead of `on_done`."""
        self._plane.tell(told)

    def __call__(self) -> asyncio.Protocol:
        return self.http(None)

    def http(self, origin: Origin | None) -> asyncio.Protocol:
        """The protocol of a connection that speaks HTTP; `origin` is what a PROXY header said."""
        return cast(asyncio.Protocol, ClientConnection(self._plane, origin))

    def tcp(self, origin: Origin | None) -> TcpConnection:
        """The protocol of a connection that is balanced as it is."""
        return TcpConnection(self._plane, origin)

    def refused(self, client: str, reason: str) -> None:
        """A connection was not let in: its PROXY header is missing, wrong, or nobody's business to send, or its
        handshake failed."""
        plane = self._plane
        plane.done(refused(0, reason, client.encode("ascii", "replace"), plane.clock()))

    @property
    def tunnels(self) -> Counter[str]:
        """Open tunnels by backend id: upgraded connections, and those of TCP mode."""
        return Counter(tunnel.backend.id for tunnel in self._plane.tunnels)

    @property
    def connections(self) -> int:
        """Client connections that are open, tunnels included."""
        return len(self._plane.clients) + len(self._plane.tunnels)

    @property
    def requests(self) -> int:
        """Requests under way."""
        return len(self._plane.relays)

    def on_event(self, event: Event) -> None:
        """To be subscribed to the core's events: what happens to a backend may concern its pooled connections, and in
        panic every answer says so."""
        if isinstance(event, PanicChanged):
            self._plane.panic_line = self._panic_line if event.active else b""
        gone = isinstance(event, Removed) or (isinstance(event, Transition) and event.new is not State.UP)
        if gone or isinstance(event, Suspected):
            self._plane.purge(event.backend)

    def pre_shutdown(self) -> None:
        """Stop keeping connections alive: idle ones end now, the others with their answer."""
        self._plane.stopping = True
        for client in tuple(self._plane.clients):
            client.stop()
        for tunnel in tuple(self._plane.tunnels):
            tunnel.drain()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (aiohttp's server interface)
        """Wait for requests under way and tunnels, at most `timeout` seconds, then end the rest."""
        plane = self._plane
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await plane.empty()
        for tunnel in tuple(plane.tunnels):
            tunnel.close()
        for client in tuple(plane.clients):
            client.abort()
        await asyncio.sleep(0)  # the aborted connections report their end on the next turn of the loop
        self._ticker.stop()
        plane.pool.close()


class ProxyRunner(web.BaseRunner):
    """Hosts a `ProxyServer` in aiohttp's sites: listening, TLS, and graceful stop are aiohttp's."""

    def __init__(self, proxy: ProxyServer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._proxy = proxy

    def patience(self, seconds: float) -> None:
        """How long a graceful stop waits for what is under way."""
        self._shutdown_timeout = seconds

    async def shutdown(self) -> None:
        """Nothing beyond what the server's own `shutdown` does."""

    async def _make_server(self) -> web.Server:
        return cast(web.Server, self._proxy)  # callable, pre_shutdown, shutdown: all that sites and runner use

    async def _cleanup_server(self) -> None:
        """Nothing: `ProxyServer.shutdown` has closed everything."""
