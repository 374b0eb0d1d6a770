"""The open loop: send requests when they are due, record how they end, and give up on those that take too long."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain

from ..evidence.history import Ending, HistoryWriter, Outcome
from ..evidence.progress import TrafficCounts
from ..scenario.plan import Plan
from ..services.identification import DEFAULT, Identification
from ..services.tls import handshake_problem
from ..services.traffic_target import TrafficTarget, name_of
from .connection import ClientConnection, Connection, Exchange
from .cookies import CookieJars
from .dialing import Dialer
from .schedule import Arrival, Renderer, arrivals
from .websocket import WebSocket

_FINEST_WAIT_S = 0.001
"""Shortest wait in seconds. Timers of event loops have whole milliseconds; a shorter wait would return at once."""


class Generator:
    """Sends a plan's requests to one address. All methods must be called in one event loop."""

    def __init__(
        self,
        plan: Plan,
        target: TrafficTarget,
        run_id: str,
        history: HistoryWriter,
        identification: Identification = DEFAULT,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`context` is for a target with TLS, else None."""
        self._target = target
        self._dialer = Dialer(target, context)
        self._load = plan.load
        self._identification = identification
        self._renderer = Renderer(target.host, run_id, keep_alive=plan.load.keep_alive, prefix=target.path)
        self._arrivals: Iterator[Arrival] = arrivals(plan)
        self._next: Arrival | None = None
        self._history = history
        self._zero = 0.0
        self._waiting: deque[Exchange] = deque()
        """Requests in order of `give_up_at` (all have the same patience). Ended requests are removed at the front."""
        self._idle: list[Connection] = []
        """Idle connections, used last in, first out, so that light load uses the same few connections."""
        self._idle_of: dict[str, list[Connection]] = {}
        """Idle TLS connections by server name, if that is not the target's."""
        self._idle_sockets: list[WebSocket] = []
        self._upgrade_fields = f"Host: {target.host}\r\nX-Request-Id: {run_id}-ws\r\n"
        self._cookies = CookieJars()
        self._counts = dict.fromkeys(("sent", "ok", "failed", "unknown", "slow", "in_flight"), 0)
        self._lag_max = 0.0
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def check_handshakes(self) -> None:
        """Make a TLS handshake for each host of the load. Raise EnvironmentProblemError if a certificate is not
        accepted."""
        hosts = [
            value
            for kind in self._load.mix
            if kind.exchange
            for name, value in kind.exchange.headers
            if name.lower() == "host"
        ]
        await self._dialer.check(dict.fromkeys(map(name_of, [self._target.host, *hosts])))

    async def run(self, zero: float) -> None:
        """Send all requests and wait for the last response. Due times count from `zero` (monotonic seconds).

        Raise OSError if the history cannot be written: a request that cannot be recorded is not sent.
        """
        self._zero = zero
        self._next = next(self._arrivals, None)
        self._advance()
        await self._finished
        connections: list[ClientConnection] = [*self._idle, *chain(*self._idle_of.values()), *self._idle_sockets]
        for connection in connections:
            connection.abandon()
        self._history.flush()

    def stop(self) -> None:
        """Send no more requests. `run` returns when those in flight have ended, at the latest after the patience."""
        self._next = None
        self._arrivals = iter(())
        self._settle()

    def take_counts(self) -> TrafficCounts:
        """Return the counts so far. `lag_max_s` is the largest lag since the previous call."""
        self._history.flush()
        worst, self._lag_max = self._lag_max, 0.0
        return TrafficCounts(**self._counts, lag_max_s=worst)

    def _advance(self) -> None:
        """Send due requests, give up on overdue ones, and schedule the next call."""
        now = time.monotonic()
        self._give_up(now)
        try:
            self._send_due(now)
        except OSError as error:
            self._finished.set_exception(error)
        self._settle()
        if not self._finished.done():
            wait = min(self._wake_times()) - time.monotonic()
            asyncio.get_running_loop().call_later(max(wait, _FINEST_WAIT_S), self._advance)

    def _wake_times(self) -> Iterator[float]:
        if self._next is not None:
            yield self._zero + self._next.due
        if self._waiting:
            yield self._waiting[0].give_up_at
        else:
            yield time.monotonic() + self._load.patience_s

    def _send_due(self, now: float) -> None:
        batch: list[Exchange] = []
        while self._next is not None and self._zero + self._next.due <= now:
            batch.append(self._invoke(self._next, now))
            self._next = next(self._arrivals, None)
        if batch:
            self._history.flush()
        for exchange in batch:
            self._dispatch(exchange)

    def _invoke(self, arrival: Arrival, now: float) -> Exchange:
        message = self._renderer.render(arrival, self._cookies.of(arrival.session))
        t = now - self._zero
        self._history.invoke(arrival.id, arrival.due, t, message.invocation)
        exchange = Exchange(
            arrival.id,
            arrival.due,
            self._zero + arrival.due + self._load.patience_s,
            message.payload,
            arrival.kind,
            arrival.session,
            message.check,
            name_of(message.host) if message.host and self._target.tls else "",
        )
        self._waiting.append(exchange)
        self._counts["sent"] += 1
        self._counts["in_flight"] += 1
        self._lag_max = max(self._lag_max, t - arrival.due)
        return exchange

    def _dispatch(self, exchange: Exchange) -> None:
        idle: list[Connection] | list[WebSocket] = (
            self._idle_sockets if exchange.kind.method == "WS" else self._pool(exchange.server_name)
        )
        while idle:
            connection = idle.pop()
            if connection.usable:
                connection.send(exchange)
                return
        exchange.connecting = asyncio.get_running_loop().create_task(self._connect_and_send(exchange))

    async def _connect_and_send(self, exchange: Exchange) -> None:
        try:
            connection = await self._dialer.connect(exchange, lambda: self._new_connection(exchange))
        except OSError as error:
            failure = f"tls: {handshake_problem(error)}" if exchange.handshaking else _connect_failure(error)
            self._end(exchange, Ending(Outcome.FAIL, error=failure))
            return
        exchange.connecting = None
        if connection.usable:
            connection.send(exchange)
        else:
            self._end(exchange, Ending(Outcome.FAIL, error="closed before anything was sent"))

    def _new_connection(self, exchange: Exchange) -> Connection | WebSocket:
        if exchange.kind.method != "WS":
            pool = self._pool(exchange.server_name)
            return Connection(self._end, partial(self._release, pool), self._identification)
        path = self._target.path + exchange.kind.path
        return WebSocket(path, self._upgrade_fields, self._end, self._release_socket, self._identification)

    def _pool(self, server_name: str) -> list[Connection]:
        return self._idle_of.setdefault(server_name, []) if server_name else self._idle

    def _release(self, pool: list[Connection], connection: Connection) -> None:
        if self._load.keep_alive:
            pool.append(connection)
        else:
            connection.abandon()

    def _release_socket(self, connection: WebSocket) -> None:
        if self._load.keep_alive:
            self._idle_sockets.append(connection)
        else:
            connection.abandon()

    def _give_up(self, now: float) -> None:
        while self._waiting and (self._waiting[0].ended or self._waiting[0].give_up_at <= now):
            exchange = self._waiting.popleft()
            if exchange.ended:
                continue
            if exchange.connection is not None:
                exchange.connection.abandon()
                self._end(exchange, Ending(Outcome.UNKNOWN, error="timeout"))
                continue
            if exchange.connecting is not None:
                exchange.connecting.cancel()
            error = "tls: no handshake in time" if exchange.handshaking else "connect_timeout"
            self._end(exchange, Ending(Outcome.FAIL, error=error))

    def _end(self, exchange: Exchange, ending: Ending, cookies: Iterable[str] = ()) -> None:
        if exchange.ended:
            return
        exchange.ended = True
        exchange.connection = exchange.connecting = None
        t = time.monotonic() - self._zero
        self._history.conclude(exchange.id, t, ending)
        self._cookies.store(exchange.session, cookies)
        self._count(ending.outcome, t - exchange.due)
        self._settle()

    def _count(self, outcome: Outcome | None, latency_s: float) -> None:
        counts = self._counts
        counts["in_flight"] -= 1
        counts["failed" if outcome is Outcome.FAIL else str(outcome)] += 1
        if outcome is Outcome.OK and latency_s > self._load.slow_s:
            counts["slow"] += 1

    def _settle(self) -> None:
        """Let `run` return if nothing is left to be sent and nothing is in flight."""
        if self._next is None and not self._counts["in_flight"] and not self._finished.done():
            self._finished.set_result(None)


def _connect_failure(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return error.strerror or type(error).__name__
