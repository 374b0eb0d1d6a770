"""Backends are the addresses of a DNS name: what `docker compose --scale` and headless services offer."""

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
"""All IP addresses of a name. Raises `OSError`."""


class DnsSource:
    """Each address of the name is one backend; its id is `address:port`."""

    def __init__(self, name: str, port: int, interval: float, timeout: float, resolve: Resolve | None = None) -> None:
        self.interval = interval
        self._name = name
        self._port = port
        self._timeout = timeout
        self._resolve = resolve or SystemResolver().addresses

    async def read(self) -> Sequence[Member]:
        """The addresses of this moment, in a stable order. Raises `DiscoveryError`."""
        try:
            found = await asyncio.wait_for(self._resolve(self._name), self._timeout)
        except TimeoutError as error:
            raise DiscoveryError(f"no answer for {self._name} within {self._timeout:g} s") from error
        except OSError as error:
            raise DiscoveryError(f"{self._name}: {error.strerror or error}") from error
        except UnicodeError as error:
            raise DiscoveryError(f"{self._name}: is no host name") from error
        return [Member(str(Address(ip, self._port)), ip, self._port) for ip in one_family(found)]


def one_family(addresses: Sequence[str]) -> list[str]:
    """Sorted and without duplicates: the IPv4 ones where there are any, else the IPv6 ones.

    A replica with an address of each family would otherwise be two backends and get twice its share.
    """
    unique = sorted(set(addresses))
    return [address for address in unique if ":" not in address] or unique


class SystemResolver:
    """`getaddrinfo` in a thread, one at a time.

    The call cannot be interrupted and may take tens of seconds when the DNS server is silent. A caller that gives up
    leaves it running, and the next one waits for the same call instead of starting another. The thread is a daemon,
    so that it does not hold up the end of the process either, which an executor's thread would.
    """

    def __init__(self, getaddrinfo: Callable[..., Sequence[tuple[object, ...]]] = socket.getaddrinfo) -> None:
        self._getaddrinfo = getaddrinfo
        self._under_way: Future[Sequence[str]] | None = None

    async def addresses(self, name: str) -> Sequence[str]:
        """Raises `OSError` (`socket.gaierror`)."""
        if self._under_way is None or self._under_way.done():
            self._under_way = Future()
            threading.Thread(target=self._look_up, args=(name, self._under_way), name="dns", daemon=True).start()
        return await asyncio.shield(asyncio.wrap_future(self._under_way))

    def _look_up(self, name: str, answer: Future[Sequence[str]]) -> None:
        try:
            found = self._getaddrinfo(name, None, type=socket.SOCK_STREAM)
            answer.set_result([str(entry[4][0]) for entry in found])  # type: ignore[index]  # (…, sockaddr)
        except (OSError, UnicodeError) as error:  # `UnicodeError`: what cannot be a name
            answer.set_exception(error)
