"""State that all connections of one data plane share."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import TYPE_CHECKING

from ..core.exchange import Attempt, Exchange
from ..core.headers import Network
from .hash_key import KeyOf, cookies, no_key
from .limits import Limits
from .pool import NoPool, Pool
from .ports import BackendConnection, Client, ExchangeOwner, OpenTunnel
from .request import Request
from .request_record import OnDone, OnTcpDone, RequestRecord, ignore_request, ignore_tcp
from .write_batch import CallSoon, WriteBatch

if TYPE_CHECKING:
    from ..core.backend import Backend
    from ..core.balancer import Balancer, Resume
    from ..core.sticky_sessions import StickyCookie

    Dial = Callable[[Backend, "DataPlane"], Coroutine[None, None, BackendConnection]]


class DataPlane:
    """The core, the pool of backend connections, and all open connections, exchanges and tunnels."""

    def __init__(
        self,
        balancer: Balancer,
        clock: Callable[[], float],
        dial: Dial,
        limits: Limits | None = None,
        *,
        soon: CallSoon,
        trusted: Sequence[Network] = (),
        on_done: OnDone = ignore_request,
        connect_timeout: float = 0.25,
        key_of: KeyOf = no_key,
        sticky: StickyCookie | None = None,
        load_feedback: bool = False,
        proxy_header: str = "",
        on_tcp_done: OnTcpDone = ignore_tcp,
        tcp_idle: float = 3600.0,
    ) -> None:
        self.balancer = balancer
        self.clock = clock
        self.limits = limits or Limits()
        self.dial = dial
        self.proxy_header = proxy_header
        """Version of the PROXY header that is sent to backends, `v1` or `v2`; empty: none."""
        self.write_batch = WriteBatch(soon)
        self.pool = NoPool(self.limits) if proxy_header else Pool(self.limits)
        self.trusted = trusted
        self._observers: tuple[OnDone, ...] = (on_done,)
        self.on_tcp_done = on_tcp_done
        self.tcp_idle = tcp_idle
        """Idle time-out of connections of TCP mode, seconds."""
        self.connect_timeout = connect_timeout
        """Seconds; `Settings.retry.connect_timeout`."""
        self.key_of = key_of
        """Function that returns the key for a hash policy. It is called only while such a policy is used."""
        self.sticky = sticky
        self.load_feedback = load_feedback
        """Whether to look for `X-Load` in responses."""
        self.panic_line = b""
        """The `X-Lb-Panic` header line while no backend is usable, else empty."""
        self.clients: set[Client] = set()
        self.owners: dict[Exchange, ExchangeOwner] = {}
        self.tunnels: set[OpenTunnel] = set()
        self.gathering: dict[BackendConnection, float] = {}
        """Connections that wait for the body of a small response, with the end of the wait, oldest first."""
        self.stopping = False
        """Whether the balancer is stopping. Then responses have `Connection: close`, and connections end with them."""
        self._empty: asyncio.Event | None = None
        self._connections_by_address: Counter[bytes] = Counter()
        """Number of connections of each client address, including tunnels."""
        self._id_prefix = os.urandom(6).hex().encode()
        self._ids = count(1)
        self._single_attempt_lines: dict[str, bytes] = {}
        self._deadline_ms = 0
        self._deadline_line = b""
        self.unix_offset = time.time() - clock()
        """Wall clock minus `clock`, in seconds, updated at every sweep because the wall clock may be adjusted."""

    def set_limits(self, limits: Limits) -> None:
        """Apply other limits from now on."""
        self.limits = limits
        self.pool.limits = limits

    def set_observers(self, observers: Sequence[OnDone]) -> None:
        """Replace the functions that get the records of finished requests."""
        self._observers = tuple(observers)

    def request_done(self, record: RequestRecord) -> None:
        """Pass the record of a finished request to all observers."""
        for observers in self._observers:
            observers(record)

    def new_request_id(self) -> bytes:
        """Return a unique id: a random prefix for each process, and a counter."""
        return b"%s-%x" % (self._id_prefix, next(self._ids))

    def client_connected(self, client: Client) -> str:
        """Register a client. Return an empty string, or the exceeded limit if the client must be refused."""
        self.clients.add(client)
        address = client.peer.address
        self._connections_by_address[address] += 1
        limits = self.limits
        if len(self.clients) + len(self.tunnels) > limits.connections:
            return "connections"
        if 0 < limits.connections_per_client < self._connections_by_address[address]:
            return "connections_per_client"
        return ""

    def client_upgraded(self, client: Client) -> None:
        """Record that a client's connection has become a tunnel. `client_disconnected` follows at its end."""
        self.clients.discard(client)
        if self.pool.private:
            self.pool.close_private(client)

    def client_disconnected(self, client: Client) -> None:
        """Unregister a client whose connection, or the tunnel that it has become, has ended."""
        self.clients.discard(client)
        if self.pool.private:
            self.pool.close_private(client)
        address = client.peer.address
        self._connections_by_address[address] -= 1
        if not self._connections_by_address[address]:
            del self._connections_by_address[address]
        if not self._connections_by_address and self._empty is not None:
            self._empty.set()

    async def wait_until_empty(self) -> None:
        """Wait until no client is connected, and no tunnel is open."""
        if self._connections_by_address:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def admit(self, request: Request, client: Client, now: float) -> Exchange:
        """Return the core's exchange for a request. Its hash key is computed only if the policy uses one.

        A client with a private connection stays with that connection's backend, even if its sticky cookie names
        another.
        """
        balancer, sticky = self.balancer, self.sticky
        pinned_to = sticky.find(cookies(request).decode("latin-1")) if sticky is not None else ""
        if self.pool.private:
            pinned_to = self.pool.private_backend(client) or pinned_to
        return balancer.admit(
            request.method,
            now,
            idempotency_key=b"idempotency-key" in request.framing.special,
            hash_key=self.key_of(request, client.peer) if balancer.uses_hash_key else b"",
            pinned_to=pinned_to,
        )

    def exchange_started(self, exchange: Exchange, owner: ExchangeOwner) -> None:
        """Register an exchange with its owner."""
        self.owners[exchange] = owner

    def exchange_ended(self, exchange: Exchange) -> None:
        """Unregister an exchange."""
        self.owners.pop(exchange, None)

    def resume(self, resumed: Sequence[Resume]) -> None:
        """Let exchanges that were queued perform their next step."""
        waiting = deque(resumed)
        while waiting:
            item = waiting.popleft()
            owner = self.owners.get(item.exchange)
            if owner is not None:
                owner.proceed(item.step)
            elif isinstance(item.step, Attempt):  # the client has disconnected
                waiting.extend(self.balancer.cancelled(item.step, self.clock()))

    def deadline_line(self, deadline: float) -> bytes:
        """Return the `X-Deadline` line: Unix time in seconds, to the millisecond. It is cached for that millisecond."""
        ms = int((deadline + self.unix_offset) * 1000)
        if ms != self._deadline_ms:
            self._deadline_ms = ms
            self._deadline_line = b"X-Deadline: %d.%03d\r\n" % (ms // 1000, ms % 1000)
        return self._deadline_line

    def single_attempt_lines(self, backend: Backend) -> bytes:
        """Return the `X-Backend` and `X-Tried` lines of a request with one attempt, the usual case. They are cached."""
        lines = self._single_attempt_lines.get(backend.id)
        if lines is None:
            name = backend.id.encode("ascii", "replace")
            lines = self._single_attempt_lines[backend.id] = b"X-Backend: %s\r\nX-Tried: %s\r\n" % (name, name)
        return lines

    def purge(self, backend_id: str) -> None:
        """Close the idle connections to the backend, and remove its cached header lines."""
        self.pool.purge(backend_id)
        self._single_attempt_lines.pop(backend_id, None)
