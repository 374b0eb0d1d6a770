"""The data plane as the configuration wants it: listeners, limits, log and counts, all but the addresses changeable."""

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
from ..proxy.acceptor import Factory, Gate, Rules, TlsGate
from ..proxy.affinity_key import key_source
from ..proxy.request_record import OnDone, Session
from ..proxy.server import ProxyRunner, ProxyServer
from ..telemetry.access_log import AccessLog
from ..telemetry.decision_log import DecisionLog
from ..telemetry.log_writer import Lines
from ..telemetry.request_stats import Counts
from ..telemetry.tally import Gauges, Tally
from .listening import address_of, bind
from .tls import Certificates
from .wiring import stickiness_of

Sockets = Mapping[str, Sequence[socket.socket]]
"""By the key that names their address: `listen`, `tcp.listen`."""


class Traffic:
    """One data plane. Build it on the event loop that is to run it."""

    died = 0
    """Workers that had to be replaced: it has none."""

    def __init__(
        self,
        config: Config,
        balancer: Balancer,
        certificates: Certificates | None,
        lines: Lines,
        log: Lines,
        rng: Random,
    ) -> None:
        """`lines` is told what happens, `log` of requests."""
        self._config = config
        self._balancer = balancer
        self._certificates = certificates
        self._lines = (lines, log)
        self._counts = Counts()
        self._access = AccessLog(log, config.access_log.sample, rng)
        self._sockets: Sockets = {}
        self.decisions = DecisionLog(config.decisions)
        send = config.proxy_protocol.send
        self.proxy = ProxyServer(
            balancer,
            on_session=self._session,
            announce="" if send == "off" else send,
        )
        self._rules = Rules((), 0.0, self.proxy.refused, 0)
        self._runner = ProxyRunner(self.proxy, shutdown_timeout=config.shutdown_timeout)
        self.use(config)

    def use(self, config: Config) -> None:
        """Go by another configuration from now on; what is under way ends by the one it began with."""
        self._config = config
        self.decisions.resize(config.decisions)
        self._access.sample = config.access_log.sample
        told: list[OnDone] = [self._counts.done]
        if config.decisions:
            told.append(self.decisions.keep)
        if config.access_log.enabled:
            told.append(self._access.done)
        self.proxy.tell(told)
        self._rules.networks = config.proxy_protocol.accept_from
        self._rules.timeout = config.proxy_protocol.timeout
        self._rules.most = config.limits.connections
        self._runner.patience(config.shutdown_timeout)
        self.proxy.use(
            config.proxy_limits(),
            connect_timeout=config.retry.connect_timeout,
            tick=config.tick,
            trusted=config.trusted_proxies,
            key_of=key_source(config.hash.by, config.trusted_proxies),
            sticky=stickiness_of(config),
            load_feedback=config.load_feedback,
            panic=config.panic,
            tcp_idle=config.tcp.idle,
        )

    def open(self) -> Mapping[str, Address]:
        """Bind every address. Raises `EnvironmentUnfitError`."""
        wanted = {"listen": self._config.listen, "tcp.listen": self._config.tcp.listen}
        self._sockets = {key: bind(where) for key, where in wanted.items() if where is not None}
        return {key: address_of(sockets) for key, sockets in self._sockets.items()}

    async def start(self, inherited: Sockets | None = None) -> None:
        """Accept connections on what was opened, or on sockets of another process."""
        sockets = self._sockets if inherited is None else inherited
        await self._runner.setup()
        tls = self._tls()
        for sock in sockets["listen"]:
            await self._gate(sock, self.proxy.http, tls).start()
        for sock in sockets.get("tcp.listen", ()):
            await self._gate(sock, self.proxy.tcp, tls if self._config.tcp.tls else None).start()

    async def stop(self) -> None:
        """Accept no more, finish what is under way within `shutdown_timeout`."""
        await self._runner.cleanup()

    def close(self) -> None:
        """Nothing that the end of the process would not do."""

    def on_event(self, event: Event) -> None:
        """To be subscribed to the core's events."""
        self.proxy.on_event(event)

    async def refresh(self) -> None:
        """Nothing: what is read here is always fresh."""

    async def explain(self, last: int, backend: str, request_id: str) -> list[dict[str, Any]]:
        """The decisions about the latest requests, the newest first."""
        return self.decisions.latest(last, backend, request_id)

    @property
    def tally(self) -> Tally:
        """What has been counted so far."""
        tally = self._counts.tally()
        tally.dropped_lines = sum(lines.dropped for lines in {*self._lines})
        return tally

    @property
    def gauges(self) -> Gauges:
        """How it stands."""
        in_flight = Counter({one.id: one.in_flight for one in self._balancer.backends if one.in_flight})
        return Gauges(self.proxy.connections, self.proxy.requests, self.proxy.tunnels, in_flight)

    def _gate(self, sock: socket.socket, factory: Factory, tls: TlsGate | None) -> Gate:
        headers = bool(self._config.proxy_protocol.accept_from)
        return Gate(self._runner, sock, factory, rules=self._rules, tls=tls, headers=headers)

    def _tls(self) -> TlsGate | None:
        if self._certificates is None or self._config.tls is None:
            return None
        return TlsGate(self._certificates.context, self._config.tls.handshake_timeout)

    def _session(self, session: Session) -> None:
        self._counts.session(session)
        if self._config.access_log.enabled:
            self._access.session(session)
