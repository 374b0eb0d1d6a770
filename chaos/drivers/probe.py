"""Sends requests directly to a target, not through the balancer, to verify faults and heals.

It uses plain sockets, because it reports the time to connect separately and opens a new connection for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import time
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..errors import NoAddressError

HEALTH_PATH = "/health"
REACTS_WITHIN_S = 0.2
"""Seconds that a probe which only connects waits for a reaction to its end of stream."""


class Health(NamedTuple):
    """How a backend is asked whether it is healthy."""

    path: str = HEALTH_PATH
    host: str = ""
    """Value of the `Host` field; empty: the address and port."""
    tcp: bool = False
    """Only connect: a backend that accepts the connection is healthy."""

    def __str__(self) -> str:
        return "a TCP connection" if self.tcp else f"GET {self.path}"


class Address(NamedTuple):
    """Where a target serves, and how it is asked there."""

    ip: str
    """An address, or a host name."""
    port: int
    health: Health = Health()

    def __str__(self) -> str:
        return host_port(self.ip, self.port)


AnyAddress = Address | tuple[str, int]
"""A pair is an address with the default health check."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one request. Times are seconds from its start."""

    took_s: float
    connect_s: float | None = None
    """None if the connection was not established."""
    status: int | None = None
    """None after a failure, and if the probe only connects."""
    failure: str = ""
    """Empty, or one of: refused, reset, unreachable, connect_timeout, timeout, garbage, unprobed."""
    detail: str = ""
    """`unprobed`: why no request could be sent."""
    reacted: bool = False
    """A probe that only connects: whether the backend sent something, or closed the connection when the probe did."""

    @classmethod
    def unprobed(cls, why: str) -> Answer:
        """Return the result for a target that no probe can reach."""
        return cls(0.0, failure="unprobed", detail=why)

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx or 3xx or, if the probe only connects, whether it was accepted."""
        return not self.failure and (self.status is None or 200 <= self.status < 400)

    def __str__(self) -> str:
        if self.failure == "unprobed":
            return f"none, because {self.detail}"
        outcome = f"HTTP {self.status}" if self.status is not None else self.failure or "accepted"
        connected = f", connected after {self.connect_s * 1000:.1f} ms" if self.connect_s is not None else ""
        return f"{outcome} after {self.took_s * 1000:.1f} ms{connected}"


async def ask(
    address: AnyAddress,
    path: str = "",
    *,
    timeout_s: float,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    token: str = "",
) -> Answer:
    """Send one request, with a bearer token if given, and return the result within `timeout_s` seconds.

    Without a `path` it is the health check of the address. A network error does not raise an exception, but is in the
    result.
    """
    address = Address(*address)
    only_connect = address.health.tcp and not path
    started = time.monotonic()
    connect_s: float | None = None
    status: int | None = None
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            connect_s = time.monotonic() - started
            if not only_connect:
                writer.write(_request(address, path or address.health.path, method, body, token))
                status = _status(await reader.readline())
        if only_connect:
            return Answer(connect_s, connect_s, reacted=await _reacts(reader, writer))
    except TimeoutError:
        failure = "timeout" if connect_s is not None else "connect_timeout"
        return Answer(time.monotonic() - started, connect_s, failure=failure)
    except (OSError, ValueError) as error:
        return Answer(time.monotonic() - started, connect_s, failure=_name(error))
    finally:
        if writer is not None:
            writer.transport.abort()
    return Answer(time.monotonic() - started, connect_s, status)


async def _reacts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """End the stream and return whether the backend then sends something or closes the connection.

    Most programs do, whatever their protocol; a frozen one does not.
    """
    try:
        async with asyncio.timeout(REACTS_WITHIN_S):
            writer.write_eof()
            await reader.read(1)
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


async def download(address: AnyAddress, size: int, *, timeout_s: float) -> tuple[int, float]:
    """Request `size` bytes from `/work`. Return how many arrived, and the seconds until the end or time-out."""
    started, got = time.monotonic(), 0
    with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address[:2])
            try:
                writer.write(_request(Address(*address), f"/work?bytes={size}", "GET", None))
                await reader.readuntil(b"\r\n\r\n")
                while got < size and (chunk := await reader.read(1 << 16)):
                    got += len(chunk)
            finally:
                writer.transport.abort()
    return got, time.monotonic() - started


class Addressed(Protocol):
    """What a target must have to be probed."""

    name: str

    async def address(self) -> Address:
        """Return where it serves. Raise NoAddressError."""
        ...


async def why_unreachable(target: Addressed) -> str:
    """Return why this host cannot probe the target; empty if it can, as far as is known without a request."""
    try:
        address = await target.address()
    except NoAddressError as error:
        return error.detail
    reason = why_no_route(address)
    return f"{target.name} cannot be reached at {host_port(*address[:2])}: {reason}" if reason else ""


def why_no_route(address: AnyAddress) -> str:
    """Return why this host has no route to the address, for example no IPv6; empty if it has one.

    Nothing is sent: connecting a datagram socket only looks up the route (connect(2)). A host name is not checked.
    """
    host, port = address[:2]
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        return ""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((host, port))
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


def host_port(host: str, port: int) -> str:
    """Return `host:port`, with an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _request(address: Address, path: str, method: str, body: dict[str, Any] | None, token: str = "") -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {address.health.host or address}\r\nConnection: close\r\n"
    if body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + payload


def _status(line: bytes) -> int:
    """Return the status code of a status line (RFC 9112 §4). Raise ConnectionResetError if the line is empty."""
    if not line:
        raise ConnectionResetError("closed without an answer")
    version, status = line.split(b" ", 2)[:2]
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not HTTP")
    return int(status)


def _name(error: Exception) -> str:
    match error:
        case ConnectionRefusedError():
            return "refused"
        case ConnectionError():
            return "reset"
        case OSError():
            return "unreachable"
        case _:
            return "garbage"
