"""Measures the resident memory of a balancer for each idle kept-alive connection."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from ...balancers.requirements import Address
from ...processes.usage import resident_bytes
from .closed_loop import Shape

TOGETHER = 64
"""Concurrent requests: as few as in an ordinary run, so that the balancer's pool of connections does not grow."""
_TIMEOUT_S = 5.0
_SPARE_FILES = 256


@dataclass(frozen=True, slots=True)
class Idle:
    """Result for connections that were served one request each and then stayed idle."""

    asked: int
    held: int
    """Number of connections that are still open afterwards."""
    bytes_each: float
    """Resident memory per connection, without memory of the kernel."""


def raise_file_limit() -> int:
    """Raise the limit of open files of this process and its children to the hard limit; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def measure(pid: int, address: Address, count: int) -> Idle:
    """Open `count` connections, or as many as the limit of open files allows, and measure. Raise OSError."""
    count = min(count, raise_file_limit() - _SPARE_FILES)
    before = resident_bytes(pid)
    with _opened(address, count) as connections:
        grown = resident_bytes(pid) - before
        held = sum(map(_is_open, connections))
    return Idle(count, held, grown / max(1, held))


@contextlib.contextmanager
def _opened(address: Address, count: int) -> Iterator[list[socket.socket]]:
    connections: list[socket.socket] = []
    try:
        while len(connections) < count:
            batch = min(TOGETHER, count - len(connections))
            fresh = []
            for _ in range(batch):
                connection = socket.create_connection((address.host, address.port), _TIMEOUT_S)
                connections.append(connection)
                fresh.append(connection)
            _ask_all(fresh, address)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def _ask_all(connections: list[socket.socket], address: Address) -> None:
    request = f"GET {Shape(1).path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
    for connection in connections:
        connection.sendall(request)
    for connection in connections:
        _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < Shape(1).receives:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError(f"closed instead of answering: {received[:80]!r}")
        received += part


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
