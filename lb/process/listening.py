"""Sockets that listen: bound before anything is started, so that a port that is taken is the first thing one hears."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack

from ..config.units import Address
from ..errors import EnvironmentUnfitError

UNSENT = 256 * 1024
"""Bytes of an answer that the kernel takes ahead of what the client's window allows (TCP_NOTSENT_LOWAT; accepted
connections inherit it). Without, a send buffer grows to 4 MiB (`net.ipv4.tcp_wmem`) for a client that does not read,
and some hundreds of them fill what the whole host may use for TCP (`net.ipv4.tcp_mem`). It is the largest piece that
the event loop reads at a time, so that one read still becomes one write."""


def bind(where: Address, *, shared: bool = False) -> list[socket.socket]:
    """One socket for each address that the host has; bound, not listening yet. Raises `EnvironmentUnfitError`.

    `shared` lets further sockets be bound to the same address, over which the kernel then spreads connections.
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
    """Where it really is, which tells the port when 0 was asked for."""
    host, port = sockets[0].getsockname()[:2]
    return Address(host, port)


def _addresses(where: Address) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unique = list(dict.fromkeys(found))
    return unique[:1] if where.port == 0 else unique  # type: ignore[return-value]  # a free port is free on one
