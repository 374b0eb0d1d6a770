"""The one address to which all requests of a run go: on loopback, or one that the runtime permits."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ..errors import BadArgumentsError

_CONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class TrafficTarget:
    """An address that was looked up once. Nothing that uses it asks a name server again."""

    address: str
    """IP address."""
    port: int
    host: str
    """Host header of the requests."""
    tls: bool
    path: str
    """Path with which the path of every request begins; empty, or without a slash at its end."""

    @classmethod
    def resolve(cls, url: str, host: str = "", permitted: Collection[str] = ()) -> TrafficTarget:
        """Return the target of a base URL. `host`: Host header, if it is not that of the URL.

        `permitted` has the IP addresses besides loopback to which requests may be sent. Of several addresses of a name,
        the first one that accepts a connection is used.

        Raise BadArgumentsError if the URL is not valid, its name has no address, or none of them is permitted.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise BadArgumentsError(f"{url}: is not a URL: {error}") from error
        name = parts.hostname
        if parts.scheme not in {"http", "https"} or not name or "@" in parts.netloc or parts.query or parts.fragment:
            raise BadArgumentsError(f"{url}: expected http:// or https:// with a host, and nothing after the path")
        found = _addresses(name, port)
        usable = [each for each in found if is_permitted(each, permitted)]
        if not usable:
            raise BadArgumentsError(
                f"{url}: no request is sent to {', '.join(found) or name}, which is neither loopback nor a container of"
                " the lab",
                "publish the port of your balancer on 127.0.0.1 and name that address",
            )
        address = usable[0] if len(usable) == 1 else _first_open(usable, port)
        return cls(address, port, host or parts.netloc, parts.scheme == "https", parts.path.rstrip("/"))

    @property
    def url(self) -> str:
        """Base URL with the IP address in place of the name."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self.tls else 'http'}://{address}:{self.port}{self.path}"


def is_permitted(address: str, permitted: Collection[str]) -> bool:
    """Return whether requests may be sent to this IP address: loopback, or one of `permitted`."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_loopback or any(ip == ipaddress.ip_address(each) for each in permitted)


def name_of(host: str) -> str:
    """Return the host name or IP address in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _addresses(name: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadArgumentsError(f"{name}: has no address ({error})") from error
    return [*dict.fromkeys(str(address[0]) for *_, address in found)]


def _first_open(addresses: list[str], port: int) -> str:
    """Return the first address that accepts a connection, or the first one of all."""
    for address in addresses:
        with contextlib.suppress(OSError), socket.create_connection((address, port), _CONNECT_S):
            return address
    return addresses[0]
