"""Where a connection comes from and what it was made to: by the kernel, or by a PROXY header in front of it."""

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
    """Whoever wrote the PROXY header had ended TLS; what comes here is plain."""


NOBODY: Final = Endpoint("", 0)


def origin_of(transport: asyncio.BaseTransport) -> Origin:
    """As the kernel says; `NOBODY` for what is no TCP connection."""
    return Origin(_endpoint(transport, "peername"), _endpoint(transport, "sockname"))


def _endpoint(transport: asyncio.BaseTransport, name: str) -> Endpoint:
    address = transport.get_extra_info(name)
    return Endpoint(address[0], address[1]) if isinstance(address, tuple) else NOBODY
