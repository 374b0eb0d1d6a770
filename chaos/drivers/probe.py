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
from typing import Any

Address = tuple[str, int]
HEALTH_PATH = "/health"


@dataclass(frozen=True, slots=True)
class Answer:
    """Result of one request. Times are seconds from its start."""

    took_s: float
    connect_s: float | None = None
    """None if the connection was not established."""
    status: int | None = None
    failure: str = ""
    """Empty, or one of: refused, reset, unreachable, connect_timeout, timeout, garbage."""

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx."""
        return self.status is not None and 200 <= self.status < 300

    def __str__(self) -> str:
        outcome = f"HTTP {self.status}" if self.status is not None else self.failure
        connected = f", connected after {self.connect_s * 1000:.1f} ms" if self.connect_s is not None else ""
        return f"{outcome} after {self.took_s * 1000:.1f} ms{connected}"


async def ask(
    address: Address,
    path: str = HEALTH_PATH,
    *,
    timeout_s: float,
    method: str = "GET",
    body: dict[str, Any] | None = None,
    token: str = "",
) -> Answer:
    """Send one request, with a bearer token if given, and return the result within `timeout_s` seconds.

    A network error does not raise an exception, but is in the result.
    """
    started = time.monotonic()
    connect_s: float | None = None
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address)
            connect_s = time.monotonic() - started
            writer.write(_request(address, path, method, body, token))
            status = _status(await reader.readline())
    except TimeoutError:
        failure = "timeout" if connect_s is not None else "connect_timeout"
        return Answer(time.monotonic() - started, connect_s, failure=failure)
    except (OSError, ValueError) as error:
        return Answer(time.monotonic() - started, connect_s, failure=_name(error))
    finally:
        if writer is not None:
            writer.transport.abort()
    return Answer(time.monotonic() - started, connect_s, status)


async def download(address: Address, size: int, *, timeout_s: float) -> tuple[int, float]:
    """Request `size` bytes from `/work`. Return how many arrived, and the seconds until the end or time-out."""
    started, got = time.monotonic(), 0
    with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(_request(address, f"/work?bytes={size}", "GET", None))
                await reader.readuntil(b"\r\n\r\n")
                while got < size and (chunk := await reader.read(1 << 16)):
                    got += len(chunk)
            finally:
                writer.transport.abort()
    return got, time.monotonic() - started


def why_no_route(address: Address) -> str:
    """Return why this host has no route to the address, for example no IPv6; empty if it has one.

    Nothing is sent: connecting a datagram socket only looks up the route (connect(2)). A host name is not checked.
    """
    host, port = address
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
    head = f"{method} {path} HTTP/1.1\r\nHost: {host_port(*address)}\r\nConnection: close\r\n"
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
