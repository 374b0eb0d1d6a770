"""Transports without sockets: what a protocol writes is kept, what it should receive is fed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Wire(asyncio.Transport):
    """One end of a connection. The protocol is connected at once; `on_write` may answer it."""

    def __init__(self, protocol: asyncio.Protocol, on_write: Callable[[Wire], None] | None = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8080)})
        self.protocol = protocol
        self.writes: list[bytes] = []
        self.ended = ""
        """How the protocol ended the connection: `close`, `abort`, or not at all."""
        self.half_closed = False
        self.reading = True
        self._on_write = on_write
        self._lost = False
        self._unread: list[bytes] = []
        protocol.connection_made(self)

    @property
    def written(self) -> bytes:
        """Everything that the protocol has written."""
        return b"".join(self.writes)

    # --- the test's verbs ---

    def feed(self, data: bytes) -> None:
        """Bytes from the other side."""
        if not self.reading:
            self._unread.append(data)
        elif not self.ended:
            self.protocol.data_received(data)

    def end(self) -> None:
        """FIN from the other side."""
        if not self.ended and not self.protocol.eof_received():
            self.close()

    # --- the protocol's ---

    def write(self, data: Any) -> None:
        if not self.ended and not self.half_closed:
            self.writes.append(bytes(data))
            if self._on_write is not None:
                self._on_write(self)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self._end("close")

    def abort(self) -> None:
        self._end("abort")

    def is_closing(self) -> bool:
        return bool(self.ended)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        unread, self._unread = self._unread, []
        if unread:
            asyncio.get_running_loop().call_soon(self.feed, b"".join(unread))

    def is_reading(self) -> bool:
        return self.reading

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def _end(self, how: str) -> None:
        self.ended = self.ended or how
        if not self._lost:
            self._lost = True
            asyncio.get_running_loop().call_soon(lambda: self.protocol.connection_lost(None))


async def turns(count: int = 12) -> None:
    """Let the loop run what is due: without sockets, everything is."""
    for _ in range(count):
        await asyncio.sleep(0)
