"""Backends from DNS: each address of a name, as with `docker compose --scale` and headless services."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future

from ..config.units import Address
from . import DiscoveryError
from .member import Member

Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Function that returns all IP addresses of a name. It raises OSError."""


class DnsSource:
    """Source whose backends are the addresses of a name. The id of a backend is `address:port`."""

    def __init__(self, name: str, port: int, interval: float, timeout: float, resolve: Resolve | None = None) -> None:
        self.interval = interval
        self._name = name
        self._port = port
        self._timeout = timeout
        self._resolve = resolve or SystemResolver().addresses

    async def read(self) -> Sequence[Member]:
        """Resolve the name and return its addresses in sorted order. Raise DiscoveryError."""
        try:
            found = await asyncio.wait_for(self._resolve(self._name), self._timeout)
        except TimeoutError as error:
            raise DiscoveryError(f"no answer for {self._name} within {self._timeout:g} s") from error
        except OSError as error:
            raise DiscoveryError(f"{self._name}: {error.strerror or error}") from error
        except UnicodeError as error:
            raise DiscoveryError(f"{self._name}: not a host name") from error
        return [Member(str(Address(ip, self._port)), ip, self._port) for ip in one_family(found)]


def one_family(addresses: Sequence[str]) -> list[str]:
    """Return the IPv4 addresses if there are any, else the IPv6 ones, sorted and without duplicates.

    Otherwise a replica with an address of each family would be two backends and get twice its share.
    """
    unique = sorted(set(addresses))
    return [address for address in unique if ":" not in address] or unique


class SystemResolver:
    """Calls `getaddrinfo` in a thread, one call at a time.

    The call cannot be interrupted and may take tens of seconds if the DNS server does not answer. If a caller gives up,
    the call continues, and the next caller waits for its result instead of starting another. The thread is a daemon, so
    that the end of the process does not wait for it, as it would for an executor's thread.
    """

    def __init__(self, getaddrinfo: Callable[..., Sequence[tuple[object, ...]]] = socket.getaddrinfo) -> None:
        self._getaddrinfo = getaddrinfo
        self._under_way: Future[Sequence[str]] | None = None

    async def addresses(self, name: str) -> Sequence[str]:
        """Return all IP addresses of the name. Raise OSError (`socket.gaierror`)."""
        if self._under_way is None or self._under_way.done():
            self._under_way = Future()
            threading.Thread(target=self._look_up, args=(name, self._under_way), name="dns", daemon=True).start()
        return await asyncio.shield(asyncio.wrap_future(self._under_way))

    def _look_up(self, name: str, answer: Future[Sequence[str]]) -> None:
        try:
            found = self._getaddrinfo(name, None, type=socket.SOCK_STREAM)
            answer.set_result([str(entry[4][0]) for entry in found])  # type: ignore[index]  # (…, sockaddr)
        except (OSError, UnicodeError) as error:  # UnicodeError: not a valid name
            answer.set_exception(error)
