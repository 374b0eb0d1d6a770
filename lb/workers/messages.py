"""Messages between the balancer and its workers. They are pickled and sent over a socket pair that only they have."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..config.schema import Config
from ..core.events import Event
from ..telemetry.request_stats import Gauges, RequestTotals

_SIZE = 4
MAX_UNSENT = 4 << 20
"""Bytes that may wait for a slow reader. Above this, messages that are not essential are not sent."""


@dataclass(frozen=True, slots=True)
class Start:
    """To a worker: the first message, with what it needs to start."""

    config: Config
    share: int
    """Number of workers that share the traffic."""
    sockets: Mapping[str, Sequence[int]]
    """Inherited listening file descriptors, by the configuration key of their address."""


@dataclass(frozen=True, slots=True)
class BalancerCall:
    """To a worker: call this method of its balancer."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """To a worker: apply another configuration."""

    config: Config


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """To a worker: reply with a `Snapshot`."""

    request: int


@dataclass(frozen=True, slots=True)
class DecisionsRequest:
    """To a worker: reply with the latest decisions."""

    request: int
    last: int
    backend: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: finish the requests in flight, then exit."""


@dataclass(frozen=True, slots=True)
class Ready:
    """To a worker: all backend states have been sent, so accept connections. From a worker: it accepts connections."""


@dataclass(frozen=True, slots=True)
class EventReport:
    """From a worker: an event that its traffic caused."""

    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """From a worker: its statistics."""

    totals: RequestTotals
    gauges: Gauges
    latency: Mapping[str, float]
    """Mean time to first byte, seconds, by backend."""


@dataclass(frozen=True, slots=True)
class Reply:
    """From a worker: the reply to the request with the same number."""

    request: int
    value: Any


class MessageChannel:
    """One end of the socket pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> Self:
        """Return the channel over `sock`."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    @property
    def congested(self) -> bool:
        """Whether more than `MAX_UNSENT` bytes wait for the other end to read them."""
        return self._writer.transport.get_write_buffer_size() > MAX_UNSENT

    def send(self, message: object) -> None:
        """Send the message without waiting. Do nothing if the other end is closed."""
        if not self._writer.is_closing():
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._writer.write(len(data).to_bytes(_SIZE, "big") + data)

    async def receive(self) -> Any:
        """Return the next message. Raise EOFError if the other end is closed."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_SIZE), "big")
            return pickle.loads(await self._reader.readexactly(size))  # only parent and worker have this socket
        except ConnectionError as error:
            raise EOFError from error

    async def flush(self) -> None:
        """Wait until all messages are written or the other end is closed."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def close(self) -> None:
        """Close this end."""
        self._writer.close()
