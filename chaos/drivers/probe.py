"""Sends requests directly to a target, not through the balancer. Faults are verified and heals are confirmed with it.

Raw on purpose: connecting and answering are told apart, and each question is a fresh connection.
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
    """How one question went. Times are seconds from its start."""

    took_s: float
    connect_s: float | None = None
    """None: the connection was not established."""
    status: int | None = None
    failure: str = ""
    """Empty, or: refused, reset, unreachable, connect_timeout, timeout, garbage."""

    @property
    def ok(self) -> bool:
        """Answered with a 2xx."""
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
    """Ask once, with a bearer token if given. Never raises for what the network does; at most `timeout_s` in all."""
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


async def until_healthy(address: Address, deadline: float, *, every_s: float = 0.05, timeout_s: float = 1.0) -> Answer:
    """Ask `/health` until it answers 2xx or the `deadline` (monotonic) has passed; the last answer."""
    while True:
        answer = await ask(address, timeout_s=timeout_s)
        if answer.ok or time.monotonic() + every_s >= deadline:
            return answer
        await asyncio.sleep(every_s)


async def download(address: Address, size: int, *, timeout_s: float) -> tuple[int, float]:
    """Ask `/work` for `size` bytes; how many came, and how long that took (seconds), cut short by the time-out."""
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
    """Why this host cannot send anything to the address, such as an IPv6 one; empty if it can. Sends nothing: to
    connect a datagram socket looks the route up (connect(2)). A name may resolve to anything, and is not judged."""
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
    """`host:port`, with an IPv6 address in brackets (RFC 3986 §3.2.2)."""
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
    """The status code of a status line (RFC 9112 §4). Raises ConnectionResetError if there is none at all."""
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
