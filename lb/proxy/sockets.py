"""Sockets towards backends."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lb.core.backend import Backend


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
