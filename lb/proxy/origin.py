"""Source and destination of a client's connection, from the kernel or from a PROXY header."""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple


class Endpoint(NamedTuple):
    """One end of a TCP connection."""

    host: str
    """An IP address without brackets."""
    port: int


class Origin(NamedTuple):
    """Both ends of the connection that the client made."""

    source: Endpoint
    destination: Endpoint
    over_tls: bool = False
    """Whether the sender of the PROXY header has terminated the client's TLS."""


NO_ENDPOINT: Final = Endpoint("", 0)
"""The unknown address, if there is no client or no TCP connection."""


def origin_of(transport: asyncio.BaseTransport) -> Origin:
    """Return the addresses of the connection from the kernel, or `NO_ENDPOINT` if it is not TCP over IP."""
    return Origin(_endpoint(transport, "peername"), _endpoint(transport, "sockname"))


def _endpoint(transport: asyncio.BaseTransport, name: str) -> Endpoint:
    address = transport.get_extra_info(name)
    return Endpoint(address[0], address[1]) if isinstance(address, tuple) else NO_ENDPOINT
