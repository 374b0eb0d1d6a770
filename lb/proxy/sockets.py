"""Sockets towards backends."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..core.backend import Backend


_MOST_READS: Final = 16
_READ: Final = 64 * 1024
"""Together 1 MiB: who refuses a request in the middle says less, and this much may wait for a client in memory."""


def received(fileno: int) -> Iterator[bytes]:
    """What the kernel has received on a non-blocking socket that cannot be written to any more, up to 1 MiB."""
    for _ in range(_MOST_READS):
        try:
            data = os.read(fileno, _READ)
        except OSError:
            return
        if not data:
            return
        yield data


async def connected_socket(backend: Backend, timeout: float) -> socket.socket:  # noqa: ASYNC109 (a setting)
    """A new TCP connection to `backend` within `timeout` seconds. Raises OSError (refused, …) or TimeoutError."""
    family = socket.AF_INET6 if ":" in backend.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named: without, delayed ACKs add 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(sock, (backend.host, backend.port))
    except BaseException:
        sock.close()
        raise
    return sock
