"""What a balancer and its workers tell each other: pickled messages on a socket pair that only the two of them have."""

from __future__ import annotations

import asyncio
import pickle
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ..config.schema import Config
from ..core.events import Event
from ..telemetry.tally import Gauges, Tally

_SIZE = 4
MAX_UNSENT = 4 << 20
"""Bytes that may wait for a reader before news that it can do without are dropped."""


@dataclass(frozen=True, slots=True)
class Begin:
    """First message to a worker."""

    config: Config
    share: int
    """Among how many workers the traffic is shared."""
    sockets: Mapping[str, Sequence[int]]
    """Inherited file descriptors that listen, by the key of their address."""


@dataclass(frozen=True, slots=True)
class Do:
    """To a worker: call this method of its balancer."""

    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """To a worker: go by another configuration."""

    config: Config


@dataclass(frozen=True, slots=True)
class Report:
    """To a worker: answer with a `Snapshot`."""

    question: int


@dataclass(frozen=True, slots=True)
class Explain:
    """To a worker: answer with its latest decisions."""

    question: int
    last: int
    backend: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: finish what is under way, then end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker: it accepts connections."""


@dataclass(frozen=True, slots=True)
class Happened:
    """From a worker: its own traffic made this happen."""

    event: Event


@dataclass(frozen=True, slots=True)
class Snapshot:
    """From a worker: what it has counted, and how it stands."""

    tally: Tally
    gauges: Gauges
    latency: Mapping[str, float]
    """Mean time to first byte, seconds, by backend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """From a worker."""

    question: int
    value: Any


class Link:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> Self:
        """The end that is `sock`."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    @property
    def congested(self) -> bool:
        """The other end does not keep up."""
        return self._writer.transport.get_write_buffer_size() > MAX_UNSENT

    def send(self, message: object) -> None:
        """Write it as soon as possible; to an end that is gone, nothing is written."""
        if not self._writer.is_closing():
            data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._writer.write(len(data).to_bytes(_SIZE, "big") + data)

    async def receive(self) -> Any:
        """The next message. Raises `EOFError` when the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_SIZE), "big")
            return pickle.loads(await self._reader.readexactly(size))  # from our own process and nobody else
        except ConnectionError as error:
            raise EOFError from error

    async def flush(self) -> None:
        """Wait until everything is written, or nobody reads any more."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def close(self) -> None:
        """Nothing more to say."""
        self._writer.close()
