"""Chooses the ports of a local lab: the published defaults if they are free, otherwise others.

A port on which nothing listens may belong to a lab whose backend is dead for a moment, or to a lab that is starting. So
a port is leased before it is used: a lock on one byte of a file that all labs of this user share. The operating system
ends the lease with the process that holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import random
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadArgumentsError, EnvironmentProblemError

LOOPBACK = "127.0.0.1"

# Below the ranges that Linux (32768+) and macOS (49152+) use for outgoing connections: no client's connection can take
# the port of a backend while it is dead, so the backend can always listen there again.
PICK_FROM = range(20000, 32000)


@dataclass(frozen=True, slots=True)
class Published:
    """A port with a documented default number."""

    name: str
    variable: str
    default: int


TRAFFIC = Published("traffic", "REROUTE_LB_PORT", 8080)
ADMIN = Published("balancer admin", "REROUTE_ADMIN_PORT", 8081)
CHAOS = Published("chaos API", "REROUTE_CHAOS_PORT", 8082)
PUBLISHED = (TRAFFIC, ADMIN, CHAOS)


def wanted(published: Published, environment: Mapping[str, str] = os.environ) -> int:
    """Return the port that the environment sets, or the default.

    Raise `BadArgumentsError` if the variable is not a port number.
    """
    text = environment.get(published.variable, "").strip()
    if not text:
        return published.default
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise BadArgumentsError(
            f"{published.variable}={text!r} is not a port number",
            f"give a number from 1 to 65535, or unset {published.variable} (default {published.default})",
        )
    return int(text)


def is_loopback(host: str) -> bool:
    """Return whether the host is `localhost` or an address of the loopback interface."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Return whether a server could listen on the port now. TIME_WAIT does not count, because servers ignore it too."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # On some kernels a second bind succeeds until a socket listens.
            probe.listen(1)
        except OSError:
            return False
    return True


class Leases:
    """Port numbers that this process holds, to the exclusion of all processes that use the same lock file.

    A lease is a record lock (fcntl(2)) on the byte whose offset is the port. Such locks belong to the process, are not
    inherited by its children, and end when it closes any descriptor of the file. So it keeps one descriptor open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._held: set[int] = set()

    def take(self, port: int) -> bool:
        """Lease the port. Return False if this or another process already holds it.

        Raise `EnvironmentProblemError` if the lock file cannot be opened.
        """
        if port in self._held:
            return False
        try:
            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except (BlockingIOError, PermissionError):  # POSIX allows both for a lock that another process holds
            return False
        self._held.add(port)
        return True

    def release(self, port: int) -> None:
        """End the lease, if there is one."""
        if port in self._held:
            self._held.discard(port)
            fcntl.lockf(self._open(), fcntl.LOCK_UN, 1, port)

    def _open(self) -> int:
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise EnvironmentProblemError(
                    f"{self.path} cannot be opened: {error.strerror}", f"rm {self.path}, or set TMPDIR"
                ) from error
        return self._descriptor


LEASES = Leases(Path(tempfile.gettempdir()) / f"reroute-ports-{os.getuid()}.lock")
"""Shared by all labs of this user, whatever folder they are started from."""


def free_ports(rng: random.Random | None = None, among: range = PICK_FROM, leases: Leases = LEASES) -> Iterator[int]:
    """Yield distinct free ports from a random start, each leased to this process.

    Raise `EnvironmentProblemError` when no port is left.
    """
    start = (rng or random.Random()).randrange(len(among))
    for offset in range(len(among)):
        port = among[(start + offset) % len(among)]
        if not leases.take(port):
            continue
        if is_free(port):
            yield port
        else:
            leases.release(port)
    raise EnvironmentProblemError(
        f"no free port left between {among.start} and {among.stop - 1}", "stop what listens there"
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen port, and a notice for people if it is not the usual one."""

    port: int
    notice: str = ""


def choose(
    published: Published,
    spare: Iterator[int],
    environment: Mapping[str, str] = os.environ,
    leases: Leases = LEASES,
) -> Choice:
    """Return the wanted port. If it is a default and taken or leased, return the next spare port.

    Raise `EnvironmentProblemError` if the environment sets the port and it is taken: another port would be unexpected.
    """
    port = wanted(published, environment)
    if environment.get(published.variable, "").strip():
        # Not leased here: a caller that sets the port may hold the lease itself, to reserve the port for this lab.
        if is_free(port):
            return Choice(port)
        raise EnvironmentProblemError(
            f"port {port} ({published.name}, from {published.variable}) is in use",
            f"stop what listens there, or choose another {published.variable}",
        )
    if leases.take(port):
        if is_free(port):
            return Choice(port)
        leases.release(port)
    other = next(spare)
    return Choice(other, f"port {port} ({published.name}) is in use: taking {other} instead")
