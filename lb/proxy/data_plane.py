"""What every connection of one data plane shares."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import TYPE_CHECKING, Protocol

from ..core.exchange import Attempt, Exchange
from ..core.headers import Network, Peer
from .affinity_key import KeyOf, Stickiness, no_key
from .limits import Limits
from .pool import NoPool, Pool
from .request_record import OnDone, OnSession, Record, ignore, ignore_session
from .write_batch import Outbox, Soon

if TYPE_CHECKING:
    from ..core.backend import Backend
    from ..core.balancer import Balancer, Queued, Refusal, Resume
    from .request import Request
    from .tunnel import Tunnel
    from .upstream import UpstreamConnection

    Dial = Callable[[Backend, "Plane"], Coroutine[None, None, UpstreamConnection]]


class Client(Protocol):
    """One client's connection, as the plane and the ticker see it."""

    deadline: float
    """When `expire` is to be called; monotonic seconds."""
    peer: Peer

    def expire(self, now: float) -> None:
        """The deadline has passed."""

    def stop(self) -> None:
        """The balancer stops: end now if nothing is under way, else when it is done."""

    def abort(self) -> None:
        """End at once."""


class Owner(Protocol):
    """Whoever performs an exchange: a `Relay`, or a `TcpConnection` that looks for its backend."""

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Do what the core says."""

    def timed_out(self, attempt: Attempt) -> None:
        """The core's patience with the attempt is over."""

    def hedge(self, attempt: Attempt) -> None:
        """Start a second attempt."""

    def check_stall(self, now: float) -> None:
        """Look whether the backend has stopped in the middle."""


class Plane:
    """The balancer to ask, the pool to take connections from, and everything that is under way."""

    def __init__(
        self,
        balancer: Balancer,
        clock: Callable[[], float],
        dial: Dial,
        limits: Limits | None = None,
        *,
        soon: Soon,
        trusted: Sequence[Network] = (),
        on_done: OnDone = ignore,
        connect_timeout: float = 0.25,
        key_of: KeyOf = no_key,
        sticky: Stickiness | None = None,
        load_feedback: bool = False,
        announce: str = "",
        on_session: OnSession = ignore_session,
        tcp_idle: float = 3600.0,
    ) -> None:
        self.balancer = balancer
        self.clock = clock
        self.limits = limits or Limits()
        self.dial = dial
        self.announce = announce
        """The PROXY header that backends are sent, `v1` or `v2`; empty: none."""
        self.outbox = Outbox(soon)
        self.pool = NoPool(self.limits) if announce else Pool(self.limits)
        self.trusted = trusted
        self._told: tuple[OnDone, ...] = (on_done,)
        self.on_session = on_session
        self.tcp_idle = tcp_idle
        """Seconds of silence that end a connection of TCP mode."""
        self.connect_timeout = connect_timeout
        """Seconds; `Settings.retry.connect_timeout`."""
        self.key_of = key_of
        """What a hash policy picks by; asked only while one is in force."""
        self.sticky = sticky
        self.load_feedback = load_feedback
        """Look for `X-Load` in answers."""
        self.panic_line = b""
        """`X-Lb-Panic` while no backend is usable."""
        self.clients: set[Client] = set()
        self.relays: dict[Exchange, Owner] = {}
        self.tunnels: set[Tunnel] = set()
        self.gathering: dict[UpstreamConnection, float] = {}
        """Connections whose small answer is not complete yet, and until when that is waited for; the oldest first."""
        self.stopping = False
        """Answers say `Connection: close`, and no connection outlives its request."""
        self._empty: asyncio.Event | None = None
        self._held: Counter[bytes] = Counter()
        """Connections of each client address, tunnels included."""
        self._id_prefix = os.urandom(6).hex().encode()
        self._ids = count(1)
        self._names: dict[str, bytes] = {}
        self._deadline_ms = 0
        self._deadline_line = b""
        self.unix_offset = time.time() - clock()
        """Wall clock minus `clock`; refreshed with every sweep, since the wall clock may be stepped."""

    def use(self, limits: Limits) -> None:
        """Bear as much as `limits` say from now on."""
        self.limits = limits
        self.pool.limits = limits

    def tell(self, told: Sequence[OnDone]) -> None:
        """Whom to tell of finished requests from now on."""
        self._told = tuple(told)

    def done(self, record: Record) -> None:
        """A request is over."""
        for told in self._told:
            told(record)

    def new_request_id(self) -> bytes:
        """Unique across restarts by its random prefix, within one by counting."""
        return b"%s-%x" % (self._id_prefix, next(self._ids))

    def joined(self, client: Client) -> str:
        """A client has connected. Answers the limit that this exceeds, empty if none: it must be refused then."""
        self.clients.add(client)
        address = client.peer.address
        self._held[address] += 1
        limits = self.limits
        if len(self.clients) + len(self.tunnels) > limits.connections:
            return "connections"
        if 0 < limits.connections_per_client < self._held[address]:
            return "connections_per_client"
        return ""

    def switched(self, client: Client) -> None:
        """A client's connection has become a tunnel; `left` follows when that ends."""
        self.clients.discard(client)
        if self.pool.private:
            self.pool.left(client)

    def left(self, client: Client) -> None:
        """A client's connection, or the tunnel that it has become, is over."""
        self.clients.discard(client)
        if self.pool.private:
            self.pool.left(client)
        address = client.peer.address
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
        if not self._held and self._empty is not None:
            self._empty.set()

    async def empty(self) -> None:
        """Wait until no client is connected, through a tunnel or otherwise."""
        if self._held:
            self._empty = asyncio.Event()
            await self._empty.wait()

    def admit(self, request: Request, client: Client, now: float) -> Exchange:
        """Tell the core of a request: what it must know of it, and nothing that nobody will look at.

        A client that has a connection of its own goes to where that leads, whatever a cookie says.
        """
        balancer, sticky = self.balancer, self.sticky
        pinned_to = sticky.pinned_to(request) if sticky is not None else ""
        if self.pool.private:
            pinned_to = self.pool.private_to(client) or pinned_to
        return balancer.admit(
            request.method,
            now,
            idempotency_key=b"idempotency-key" in request.shape.special,
            hash_key=self.key_of(request, client.peer) if balancer.uses_hash_key else b"",
            pinned_to=pinned_to,
        )

    def enter(self, exchange: Exchange, relay: Owner) -> None:
        """A request is under way."""
        self.relays[exchange] = relay

    def leave(self, exchange: Exchange) -> None:
        """A request is over."""
        self.relays.pop(exchange, None)

    def resume(self, resumed: Sequence[Resume]) -> None:
        """Hand queued exchanges their next step."""
        waiting = deque(resumed)
        while waiting:
            item = waiting.popleft()
            relay = self.relays.get(item.exchange)
            if relay is not None:
                relay.proceed(item.step)
            elif isinstance(item.step, Attempt):  # its client left while it was queued
                waiting.extend(self.balancer.cancelled(item.step, self.clock()))

    def deadline_line(self, deadline: float) -> bytes:
        """`X-Deadline`, Unix time in milliseconds' steps. On a busy balancer many requests share one."""
        ms = int((deadline + self.unix_offset) * 1000)
        if ms != self._deadline_ms:
            self._deadline_ms = ms
            self._deadline_line = b"X-Deadline: %d.%03d\r\n" % (ms // 1000, ms % 1000)
        return self._deadline_line

    def only_tried(self, backend: Backend) -> bytes:
        """The `X-Backend` and `X-Tried` lines of a request that needed one attempt, as most do."""
        lines = self._names.get(backend.id)
        if lines is None:
            name = backend.id.encode("ascii", "replace")
            lines = self._names[backend.id] = b"X-Backend: %s\r\nX-Tried: %s\r\n" % (name, name)
        return lines

    def purge(self, backend_id: str) -> None:
        """Close the idle connections to the backend, and forget its name."""
        self.pool.purge(backend_id)
        self._names.pop(backend_id, None)
