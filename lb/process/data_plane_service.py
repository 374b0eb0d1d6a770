"""The data plane built from the configuration: listeners, limits, access log, statistics.

All settings but the addresses can be changed while it runs.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from ..config.schema import Config
from ..config.units import Address
from ..core.balancer import Balancer
from ..core.events import Event
from ..proxy.acceptor import AcceptRules, ListeningSite, ProtocolFactory, TlsHandshake
from ..proxy.hash_key import key_source
from ..proxy.request_record import OnDone, TcpRecord
from ..proxy.server import ProxyRunner, ProxyServer
from ..telemetry.access_log import AccessLog
from ..telemetry.decision_log import DecisionLog
from ..telemetry.log_writer import LogWriter
from ..telemetry.request_stats import Gauges, RequestStats, RequestTotals
from .listening import address_of, bind
from .tls import Certificates
from .wiring import sticky_cookie_of

Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by the configuration key of their address: `listen`, `tcp.listen`."""


class DataPlaneService:
    """One data plane. It must be created on the event loop that will run it."""

    workers_died = 0
    """Number of workers that were replaced. It is 0, because this process has no workers."""

    def __init__(
        self,
        config: Config,
        balancer: Balancer,
        certificates: Certificates | None,
        lines: LogWriter,
        log: LogWriter,
        rng: Random,
    ) -> None:
        """`lines` gets the operational log, `log` the access log; both may be the same."""
        self._config = config
        self._balancer = balancer
        self._certificates = certificates
        self._lines = (lines, log)
        self._stats = RequestStats()
        self._access = AccessLog(log, config.access_log.sample, rng)
        self._sockets: Sockets = {}
        self.decisions = DecisionLog(config.decisions)
        send = config.proxy_protocol.send
        self.proxy = ProxyServer(
            balancer,
            on_tcp_done=self._tcp_done,
            proxy_header="" if send == "off" else send,
        )
        self._rules = AcceptRules((), 0.0, self.proxy.connection_refused, 0)
        self._runner = ProxyRunner(self.proxy, shutdown_timeout=config.shutdown_timeout)
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Apply another configuration from now on. Requests in flight keep the configuration with which they began."""
        self._config = config
        self.decisions.resize(config.decisions)
        self._access.sample = config.access_log.sample
        observers: list[OnDone] = [self._stats.done]
        if config.decisions:
            observers.append(self.decisions.done)
        if config.access_log.enabled:
            observers.append(self._access.done)
        self.proxy.set_observers(observers)
        self._rules.networks = config.proxy_protocol.accept_from
        self._rules.timeout = config.proxy_protocol.timeout
        self._rules.max_pending = config.limits.connections
        self._runner.set_shutdown_timeout(config.shutdown_timeout)
        self.proxy.reconfigure(
            config.proxy_limits(),
            connect_timeout=config.retry.connect_timeout,
            tick=config.tick,
            trusted=config.trusted_proxies,
            key_of=key_source(config.hash.by, config.trusted_proxies),
            sticky=sticky_cookie_of(config),
            load_feedback=config.load_feedback,
            panic=config.panic,
            tcp_idle=config.tcp.idle,
        )

    def open(self) -> Mapping[str, Address]:
        """Bind all configured addresses. Return the actual ones, by configuration key. Raise EnvironmentUnfitError."""
        wanted = {"listen": self._config.listen, "tcp.listen": self._config.tcp.listen}
        self._sockets = {key: bind(where) for key, where in wanted.items() if where is not None}
        return {key: address_of(sockets) for key, sockets in self._sockets.items()}

    async def start(self, inherited: Sockets | None = None) -> None:
        """Accept connections on the sockets that `open` has bound, or on those `inherited` from the parent process."""
        sockets = self._sockets if inherited is None else inherited
        await self._runner.setup()
        tls = self._tls()
        for sock in sockets["listen"]:
            await self._site(sock, self.proxy.http, tls).start()
        for sock in sockets.get("tcp.listen", ()):
            await self._site(sock, self.proxy.tcp, tls if self._config.tcp.tls else None).start()

    async def stop(self) -> None:
        """Stop accepting connections, and end those that have not finished within `shutdown_timeout`."""
        await self._runner.cleanup()

    def close(self) -> None:
        """Do nothing, because the end of the process closes everything."""

    def on_event(self, event: Event) -> None:
        """Handle an event of the core (`Emit`)."""
        self.proxy.on_event(event)

    async def refresh(self) -> None:
        """Do nothing, because statistics and gauges of this process are always current."""

    async def explain(self, last: int, backend: str, request_id: str) -> list[dict[str, Any]]:
        """Return the decisions about the latest requests, newest first."""
        return self.decisions.latest(last, backend, request_id)

    @property
    def totals(self) -> RequestTotals:
        """Return all counts so far."""
        totals = self._stats.totals()
        totals.dropped_lines = sum(lines.dropped for lines in {*self._lines})
        return totals

    @property
    def gauges(self) -> Gauges:
        """Return the current values."""
        in_flight = Counter({one.id: one.in_flight for one in self._balancer.backends if one.in_flight})
        return Gauges(self.proxy.connections, self.proxy.requests, self.proxy.tunnels, in_flight)

    def _site(self, sock: socket.socket, factory: ProtocolFactory, tls: TlsHandshake | None) -> ListeningSite:
        proxy_headers = bool(self._config.proxy_protocol.accept_from)
        return ListeningSite(self._runner, sock, factory, rules=self._rules, tls=tls, proxy_headers=proxy_headers)

    def _tls(self) -> TlsHandshake | None:
        if self._certificates is None or self._config.tls is None:
            return None
        return TlsHandshake(self._certificates.context, self._config.tls.handshake_timeout)

    def _tcp_done(self, record: TcpRecord) -> None:
        self._stats.tcp_done(record)
        if self._config.access_log.enabled:
            self._access.tcp_done(record)
