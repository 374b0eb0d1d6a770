"""Protocol factory of the data plane for aiohttp's runner and sites, which start and stop it."""

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
from .client import ClientConnection
from .data_plane import DataPlane
from .dialing import connect
from .hash_key import KeyOf, no_key
from .limits import Limits
from .origin import Origin
from .request_record import OnDone, OnTcpDone, ignore_request, ignore_tcp, refused_record
from .tcp_mode import TcpConnection
from .ticker import Ticker

if TYPE_CHECKING:
    from ..core.balancer import Balancer
    from ..core.sticky_sessions import StickyCookie


class ProxyServer:
    """Creates the protocol of each client connection. It must be created on the event loop that will run it."""

    def __init__(
        self,
        balancer: Balancer,
        limits: Limits | None = None,
        *,
        connect_timeout: float = 0.25,
        tick: float = 0.01,
        trusted: Sequence[Network] = (),
        on_done: OnDone = ignore_request,
        key_of: KeyOf = no_key,
        sticky: StickyCookie | None = None,
        load_feedback: bool = False,
        panic: str = "open",
        proxy_header: str = "",
        on_tcp_done: OnTcpDone = ignore_tcp,
        tcp_idle: float = 3600.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """`connect_timeout` and `tick` (seconds) are `Settings.retry.connect_timeout` and `Settings.tick`; `trusted`
        are the networks whose `X-Forwarded-*` and `Forwarded` are trusted; `panic` is `Settings.panic`; `proxy_header`
        is the version (`v1`, `v2`) of the PROXY header that backends get."""
        loop = loop or asyncio.get_running_loop()
        self._plane = DataPlane(
            balancer,
            time.monotonic,  # same clock as loop.time(), but uvloop caches that, in milliseconds
            connect,
            limits,
            soon=loop.call_soon,
            trusted=trusted,
            on_done=on_done,
            connect_timeout=connect_timeout,
            key_of=key_of,
            sticky=sticky,
            load_feedback=load_feedback,
            proxy_header=proxy_header,
            on_tcp_done=on_tcp_done,
            tcp_idle=tcp_idle,
        )
        self._panic_line = b"X-Lb-Panic: %s\r\n" % panic.encode()
        self._ticker = Ticker(self._plane, loop, tick)
        self._ticker.start()

    def reconfigure(
        self,
        limits: Limits,
        *,
        connect_timeout: float,
        tick: float,
        trusted: Sequence[Network],
        key_of: KeyOf,
        sticky: StickyCookie | None,
        load_feedback: bool,
        panic: str,
        tcp_idle: float,
    ) -> None:
        """Apply other settings (see `__init__`) from now on. Requests that are already parsed do not change."""
        plane = self._plane
        plane.set_limits(limits)
        plane.connect_timeout = connect_timeout
        plane.trusted = trusted
        plane.key_of = key_of
        plane.sticky = sticky
        plane.load_feedback = load_feedback
        plane.tcp_idle = tcp_idle
        self._panic_line = b"X-Lb-Panic: %s\r\n" % panic.encode()
        plane.panic_line = self._panic_line if plane.balancer.panic else b""
        self._ticker.set_interval(tick)

    def set_observers(self, observers: Sequence[OnDone]) -> None:
        """Replace the functions that get the records of finished requests."""
        self._plane.set_observers(observers)

    def __call__(self) -> asyncio.Protocol:
        return self.http(None)

    def http(self, origin: Origin | None) -> asyncio.Protocol:
        """Return the protocol of an HTTP connection. `origin` comes from a PROXY header."""
        return cast(asyncio.Protocol, ClientConnection(self._plane, origin))

    def tcp(self, origin: Origin | None) -> TcpConnection:
        """Return the protocol of a connection of TCP mode."""
        return TcpConnection(self._plane, origin)

    def connection_refused(self, client: str, reason: str) -> None:
        """Record a refused connection: its PROXY header was missing, invalid or not allowed, or its handshake
        failed."""
        plane = self._plane
        plane.request_done(refused_record(0, reason, client.encode("ascii", "replace"), plane.clock()))

    @property
    def tunnels(self) -> Counter[str]:
        """Number of open tunnels by backend id: upgraded connections, and those of TCP mode."""
        return Counter(tunnel.backend.id for tunnel in self._plane.tunnels)

    @property
    def connections(self) -> int:
        """Number of open client connections, including tunnels."""
        return len(self._plane.clients) + len(self._plane.tunnels)

    @property
    def requests(self) -> int:
        """Number of requests in flight."""
        return len(self._plane.owners)

    def on_event(self, event: Event) -> None:
        """Handle an event of the core (`Emit`): close pooled connections to a backend that is no longer UP or is
        suspected, and announce panic in responses."""
        if isinstance(event, PanicChanged):
            self._plane.panic_line = self._panic_line if event.active else b""
        gone = isinstance(event, Removed) or (isinstance(event, Transition) and event.new is not State.UP)
        if gone or isinstance(event, Suspected):
            self._plane.purge(event.backend)

    def pre_shutdown(self) -> None:
        """Begin to stop: close idle connections now, and others after their response."""
        self._plane.stopping = True
        for client in tuple(self._plane.clients):
            client.stop()
        for tunnel in tuple(self._plane.tunnels):
            tunnel.drain()

    async def shutdown(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 (aiohttp's server interface)
        """Wait at most `timeout` seconds for requests in flight and tunnels, then close the remaining connections."""
        plane = self._plane
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await plane.wait_until_empty()
        for tunnel in tuple(plane.tunnels):
            tunnel.close()
        for client in tuple(plane.clients):
            client.abort()
        await asyncio.sleep(0)  # aborted connections report their end in the next iteration of the loop
        self._ticker.stop()
        plane.pool.close()


class ProxyRunner(web.BaseRunner):
    """Runs a `ProxyServer` with aiohttp's listening sockets, TLS, and graceful stop."""

    def __init__(self, proxy: ProxyServer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._proxy = proxy

    def set_shutdown_timeout(self, seconds: float) -> None:
        """Set how long a graceful stop waits for requests in flight and tunnels."""
        self._shutdown_timeout = seconds

    async def shutdown(self) -> None:
        """Do nothing, because `ProxyServer.shutdown` does everything."""

    async def _make_server(self) -> web.Server:
        return cast(web.Server, self._proxy)  # sites and runner use only __call__, pre_shutdown and shutdown

    async def _cleanup_server(self) -> None:
        """Do nothing, because `ProxyServer.shutdown` has closed everything."""
