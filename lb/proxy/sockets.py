"""Operations on sockets that asyncio's transports do not offer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..core.backend import Backend


_MOST_READS: Final = 16
_READ: Final = 64 * 1024
"""Size and number of reads, together 1 MiB. A response that refuses a request early is shorter, and the limit bounds
the memory for a client."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: on, 0 seconds."""


def received(fileno: int) -> Iterator[bytes]:
    """Yield the bytes, up to 1 MiB, that the kernel has received on a non-blocking socket on which writing has
    failed."""
    for _ in range(_MOST_READS):
        try:
            data = os.read(fileno, _READ)
        except OSError:
            return
        if not data:
            return
        yield data


def abort_with_reset(transport: asyncio.Transport) -> None:
    """Close at once with a reset, which no client mistakes for the regular end of a response."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


async def connected_socket(backend: Backend, timeout: float) -> socket.socket:  # noqa: ASYNC109 (a setting)
    """Return a new TCP connection to `backend`. Raise OSError (refused, …), or TimeoutError after `timeout` seconds."""
    family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
    # asyncio disables Nagle's algorithm only if the protocol is IPPROTO_TCP; with it, delayed ACKs add 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (backend.host, backend.port))
    except BaseException:
        sock.close()
        raise
    return sock
