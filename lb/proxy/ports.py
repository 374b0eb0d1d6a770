"""Interfaces between the parts of the data plane, so that no two of them import each other.

The circle that these classes cut: a client's connection starts a relay, the relay sends to a backend's connection, and
that one reports back to the relay, which answers the client.

`RequestSource`, `ResponseReceiver` and `BackendConnection` are base classes because every request goes through them:
mypyc treats them like any compiled class, while it uses generic operations for a `Protocol` that is not inherited from.
The protocols are for what only a timer or a stopping balancer calls.
"""

from __future__ import annotations

import asyncio
from abc import ABCMeta, abstractmethod
from typing import Protocol

from ..core.backend import Backend
from ..core.balancer import Queued, Refusal
from ..core.exchange import Attempt, Failure
from ..core.headers import Field, Peer
from .origin import Origin
from .response_framing import ResponseHead


class Client(Protocol):
    """One client's connection, as the data plane and its ticker see it."""

    deadline: float
    """When `expire` is to be called; monotonic seconds."""
    peer: Peer

    def expire(self, now: float) -> None:
        """Act on the deadline, which has passed."""

    def stop(self) -> None:
        """End the connection now if it is idle, else when its request is done: the balancer stops."""

    def abort(self) -> None:
        """End the connection at once."""


class ExchangeOwner(Protocol):
    """The performer of an exchange: the relay of an HTTP request, or a connection of TCP mode."""

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Perform the step that the core has decided on."""

    def timed_out(self, attempt: Attempt) -> None:
        """End the attempt: its time-out has passed."""

    def hedge(self, attempt: Attempt) -> None:
        """Start a second attempt beside the one that stalls."""

    def check_stall(self, now: float) -> None:
        """End the exchange if its backend has stopped in the middle."""


class OpenTunnel(Protocol):
    """Two connected sockets, as the data plane, its ticker and its server see them."""

    backend: Backend
    deadline: float
    """When `expire` is to be called; monotonic seconds."""

    def expire(self) -> None:
        """Close the tunnel: its deadline has passed."""

    def drain(self) -> None:
        """Begin to end it gracefully: the balancer stops."""

    def close(self) -> None:
        """End both directions; what is buffered still goes out."""


class RequestSource(Client):
    """A client's connection, as the relay of its current request sees it."""

    blocked: bool
    """The client does not read: answers wait in the transport's buffer, which has passed its high-water mark."""

    @property
    @abstractmethod
    def origin(self) -> Origin:
        """Both ends of the connection that the client made."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send part of a response."""

    @abstractmethod
    def response_finished(self, *, close: bool) -> None:
        """Start the next request, or close the connection if `close`: the response has announced that."""

    @abstractmethod
    def truncate(self, *, reset: bool) -> None:
        """End a response that cannot be completed, so that the client cannot take it for complete.

        A response with a length or chunks is visibly short. One that lasts until EOF is not, unless the connection
        ends with a reset.
        """

    @abstractmethod
    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """Give the transport to a tunnel, with the bytes that were read ahead."""

    @abstractmethod
    def regulate_reading(self) -> None:
        """Pause or resume reading: a pipeline or an upload must not fill our memory."""


class Link(metaclass=ABCMeta):
    """The way of one attempt to its backend: a `Dialing`, then a `BackendConnection`."""

    attempt: Attempt | None

    @abstractmethod
    def drop(self) -> None:
        """Give the attempt up: nothing more is reported of it."""


class BackendConnection(Link):
    """A connection to a backend, as relay, pool and ticker see it. It carries one request at a time."""

    backend: Backend
    idle_since: float
    """Monotonic seconds; only of a pooled connection."""
    blocked: bool
    """The backend does not read: write no more than necessary."""
    reusable: bool
    """Another request may follow on this connection."""
    private: bool
    """It speaks for one client: an authentication that belongs to the connection was requested or given."""

    @abstractmethod
    def begin(self, receiver: ResponseReceiver, attempt: Attempt, method: str, data: bytes, *, complete: bool) -> None:
        """Write the start of a request; `complete`: that is the whole request."""

    @abstractmethod
    def write(self, data: bytes, *, complete: bool) -> None:
        """Write more of the request."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Read no more for now: the client does not keep up."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read again."""

    @abstractmethod
    def end_gathering(self) -> None:
        """Pass on the head of a small response without waiting any longer for its body."""

    @abstractmethod
    def retire(self, now: float) -> None:
        """End the request: keep the connection if both messages ended cleanly, else close it."""

    @abstractmethod
    def hand_over(self) -> asyncio.Transport:
        """Give the transport to a tunnel."""

    @abstractmethod
    def is_stale(self) -> bool:
        """Return whether the backend has closed, or sent unrequested bytes, which the event loop has yet to notice."""

    @abstractmethod
    def close(self) -> None:
        """Close an idle connection."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once, whatever is still to be written."""


class ResponseReceiver(metaclass=ABCMeta):
    """The relay of a request, as its links to backends see it."""

    __slots__ = ()

    @property
    @abstractmethod
    def client(self) -> RequestSource:
        """The connection that the request came on."""

    @abstractmethod
    def connected(self, dialing: Link, connection: BackendConnection) -> None:
        """Send the request on `connection`, which `dialing` has made."""

    @abstractmethod
    def upload(self) -> None:
        """Send what there is of the request body: more has come, or the backend reads again."""

    @abstractmethod
    def interim(self, answer: ResponseHead) -> None:
        """Pass on a 1xx response, which commits to nothing."""

    @abstractmethod
    def received(
        self,
        connection: BackendConnection,
        answer: ResponseHead | None,
        parts: list[bytes],
        trailers: list[Field] | None,
    ) -> None:
        """Pass on what one segment brought: perhaps the head, parts of the body, and the trailers when it is complete
        (None until then)."""

    @abstractmethod
    def switched(self, connection: BackendConnection, answer: ResponseHead, rest: bytes) -> None:
        """Make a tunnel: the backend has agreed to another protocol, whose first bytes are `rest`."""

    @abstractmethod
    def attempt_failed(self, link: Link, failure: Failure) -> None:
        """Try again, wait for the other attempt, or give up: this one has failed."""
