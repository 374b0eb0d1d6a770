"""Interfaces between the parts of the data plane, so that they do not import each other.

Without these classes the imports would be circular: a client's connection starts a relay, the relay sends to a
backend's connection, and that connection reports back to the relay, which answers the client.

`RequestSource`, `ResponseReceiver` and `BackendConnection` are base classes because every request goes through them:
mypyc treats them like any compiled class, while it uses generic operations for a `Protocol` that is not inherited from.
The protocols are for methods that only a timer or a stopping balancer calls.
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
    """Interface of a client's connection for the data plane and its ticker."""

    deadline: float
    """When `expire` is to be called; monotonic seconds."""
    peer: Peer

    def expire(self, now: float) -> None:
        """Handle the passed deadline."""

    def stop(self) -> None:
        """End the connection now if it is idle, else after its request. Called when the balancer stops."""

    def abort(self) -> None:
        """End the connection at once."""


class ExchangeOwner(Protocol):
    """Interface of the object that carries out an exchange: the relay of a request, or a TCP mode connection."""

    def proceed(self, step: Attempt | Queued | Refusal) -> None:
        """Perform the step that the core has decided on."""

    def timed_out(self, attempt: Attempt) -> None:
        """End the attempt, because its time-out has passed."""

    def hedge(self, attempt: Attempt) -> None:
        """Start a second attempt beside the stalled one."""

    def check_stall(self, now: float) -> None:
        """End the exchange if its backend stalls during the transfer."""


class OpenTunnel(Protocol):
    """Interface of a tunnel for the data plane, its ticker and its server."""

    backend: Backend
    deadline: float
    """When `expire` is to be called; monotonic seconds."""

    def expire(self) -> None:
        """Close the tunnel, because its deadline has passed."""

    def drain(self) -> None:
        """Begin to end the tunnel gracefully. Called when the balancer stops."""

    def close(self) -> None:
        """End both directions after sending the buffered bytes."""


class RequestSource(Client):
    """Interface of a client's connection for the relay of its current request."""

    blocked: bool
    """Whether the client does not read: the transport's buffer is above its high-water mark."""

    @property
    @abstractmethod
    def origin(self) -> Origin:
        """Return both ends of the connection that the client made."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send part of a response."""

    @abstractmethod
    def response_finished(self, *, close: bool) -> None:
        """Start the next request. If `close`, which the response has announced, close the connection instead."""

    @abstractmethod
    def truncate(self, *, reset: bool) -> None:
        """End a response that cannot be completed, so that the client notices that it is incomplete.

        If the response has a length or chunks, the client sees that a part is missing. If the response lasts until EOF,
        the connection must end with a reset.
        """

    @abstractmethod
    def hand_over(self) -> tuple[asyncio.Transport, bytes]:
        """Pass the transport to a tunnel. Return it with the bytes that were read ahead."""

    @abstractmethod
    def regulate_reading(self) -> None:
        """Pause or resume reading, so that pipelined requests and uploads do not fill the memory."""


class Link(metaclass=ABCMeta):
    """What connects one attempt to its backend: first a `Dialing`, then a `BackendConnection`."""

    attempt: Attempt | None

    @abstractmethod
    def drop(self) -> None:
        """End the attempt without further reports to the relay."""


class BackendConnection(Link):
    """Interface of a backend's connection for relay, pool and ticker. It carries one request at a time."""

    backend: Backend
    idle_since: float
    """When the connection became idle, in monotonic seconds. Only valid in the pool."""
    blocked: bool
    """Whether the backend does not read, so that nothing more should be written for now."""
    reusable: bool
    """Whether another request may follow on this connection."""
    private: bool
    """Whether the connection belongs to one client, because an authentication of the connection was requested or
    given."""

    @abstractmethod
    def begin(self, receiver: ResponseReceiver, attempt: Attempt, method: str, data: bytes, *, complete: bool) -> None:
        """Write the start of a request. `complete`: `data` is the whole request."""

    @abstractmethod
    def write(self, data: bytes, *, complete: bool) -> None:
        """Write more of the request. `complete`: `data` is its end."""

    @abstractmethod
    def pause_reading(self) -> None:
        """Pause reading, because the client does not keep up."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Resume reading."""

    @abstractmethod
    def end_gathering(self) -> None:
        """Forward the head of a small response without waiting any longer for its body."""

    @abstractmethod
    def retire(self, now: float) -> None:
        """End the request. Keep the connection if request and response ended cleanly, else close it."""

    @abstractmethod
    def hand_over(self) -> asyncio.Transport:
        """Pass the transport to a tunnel."""

    @abstractmethod
    def is_stale(self) -> bool:
        """Return whether the event loop has yet to report that the backend closed the connection or sent unrequested
        bytes."""

    @abstractmethod
    def close(self) -> None:
        """Close an idle connection."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once and discard unsent bytes."""


class ResponseReceiver(metaclass=ABCMeta):
    """Interface of a request's relay for its links to backends."""

    __slots__ = ()

    @property
    @abstractmethod
    def client(self) -> RequestSource:
        """Return the connection on which the request arrived."""

    @abstractmethod
    def connected(self, dialing: Link, connection: BackendConnection) -> None:
        """Send the request on `connection`, which `dialing` has established."""

    @abstractmethod
    def upload(self) -> None:
        """Send the buffered part of the request body, because more has arrived or the backend reads again."""

    @abstractmethod
    def interim(self, answer: ResponseHead) -> None:
        """Forward a 1xx response, which does not exclude a retry."""

    @abstractmethod
    def received(
        self,
        connection: BackendConnection,
        answer: ResponseHead | None,
        parts: list[bytes],
        trailers: list[Field] | None,
    ) -> None:
        """Forward the content of one segment: the head (or None), parts of the body, and the trailers (None until the
        body is complete)."""

    @abstractmethod
    def switched(self, connection: BackendConnection, answer: ResponseHead, rest: bytes) -> None:
        """Create a tunnel, because the backend has switched to another protocol. `rest` are its first bytes."""

    @abstractmethod
    def attempt_failed(self, link: Link, failure: Failure) -> None:
        """Handle a failed attempt: retry, wait for the other attempt, or give up."""
