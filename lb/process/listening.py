"""Binds listening sockets. It happens before anything else starts, so that a port in use is reported at once."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from ..config.units import Address
from ..errors import EnvironmentUnfitError

UNSENT = 256 * 1024
"""Bytes of a response that the kernel buffers in addition to the client's window (TCP_NOTSENT_LOWAT; accepted
connections inherit it). Without it, the send buffer of a client that does not read grows to 4 MiB
(`net.ipv4.tcp_wmem`), and some hundreds of such clients use up the TCP memory of the whole host
(`net.ipv4.tcp_mem`). The event loop reads at most this much at a time, so that one read still becomes one write."""


def bind(where: Address, *, shared: bool = False) -> list[socket.socket]:
    """Return a bound socket, not yet listening, for each address that `where` resolves to.

    Raise EnvironmentUnfitError if an address cannot be bound. `shared` allows several sockets on the same address
    (SO_REUSEPORT); the kernel distributes the connections over them.
    """
    with ExitStack() as opened:
        sockets = []
        try:
            for family, kind, protocol, _, address in _addresses(where):
                sock = opened.enter_context(socket.socket(family, kind, protocol))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if shared:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
                sock.bind(address)
                sock.setblocking(False)
                sockets.append(sock)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise EnvironmentUnfitError(f"cannot listen on {where}: {why}") from error
        opened.pop_all()
        return sockets


def address_of(sockets: Sequence[socket.socket]) -> Address:
    """Return the address that the sockets are bound to, with the actual port if the configured one is 0."""
    host, port = sockets[0].getsockname()[:2]
    return Address(host, port)


def _addresses(where: Address) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unique = list(dict.fromkeys(found))
    # With port 0, use only one address, because a port that is free on it may be in use on another.
    return unique[:1] if where.port == 0 else unique  # type: ignore[return-value]
