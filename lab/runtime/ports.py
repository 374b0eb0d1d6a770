"""Chooses the ports of a local lab: the published defaults if they are free, otherwise others.

A port that nobody listens on now may belong to a lab whose backend is dead for a moment, or to one that is just
starting. So a port is leased before it is used: a lock on one byte of a file that all labs of this user share. The
operating system ends the lease with the process that took it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadArgumentsError, EnvironmentProblemError

LOOPBACK = "127.0.0.1"

# Below the ranges that Linux (32768+) and macOS (49152+) give to outgoing connections: while a backend is dead, no
# client's connection can take its port, so it can always listen there again.
PICK_FROM = range(20000, 32000)


@dataclass(frozen=True, slots=True)
class Published:
    """A port that people know by number."""

    name: str
    variable: str
    default: int


TRAFFIC = Published("traffic", "REROUTE_LB_PORT", 8080)
ADMIN = Published("balancer admin", "REROUTE_ADMIN_PORT", 8081)
CHAOS = Published("chaos API", "REROUTE_CHAOS_PORT", 8082)
PUBLISHED = (TRAFFIC, ADMIN, CHAOS)


def wanted(published: Published, environment: Mapping[str, str] = os.environ) -> int:
    """The port that the environment asks for, else the default.

    Raises `BadArgumentsError` if the variable is no port number.
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


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on the port now. TIME_WAIT leftovers do not count: servers ignore them too."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            # On some kernels a second bind succeeds until somebody listens.
            probe.listen(1)
        except OSError:
            return False
    return True


class Leases:
    """Port numbers that this process holds, exclusively among all processes that use the same lock file.

    A lease is a record lock (fcntl(2)) on the byte whose offset is the port. Such locks belong to the process, are not
    inherited by its children, and vanish when it closes any descriptor of the file: hence one descriptor, kept open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._held: set[int] = set()

    def take(self, port: int) -> bool:
        """Lease the port. Return False where this or another process holds it already.

        Raises `EnvironmentProblemError` if the lock file cannot be opened.
        """
        if port in self._held:
            return False
        try:
            fcntl.lockf(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except (BlockingIOError, PermissionError):  # POSIX allows both for a lock that somebody else holds
            return False
        self._held.add(port)
        return True

    def release(self, port: int) -> None:
        """End the lease. Without one, do nothing."""
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
"""All labs of this user share these, whatever folder they are started from."""


def free_ports(rng: random.Random | None = None, among: range = PICK_FROM, leases: Leases = LEASES) -> Iterator[int]:
    """Yield distinct free ports, each leased to this process, from a random start.

    Raises `EnvironmentProblemError` after the last one.
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
    """The port taken for a published one, and the sentence to say when it is another than people expect."""

    port: int
    notice: str = ""


def choose(
    published: Published,
    spare: Iterator[int],
    environment: Mapping[str, str] = os.environ,
    leases: Leases = LEASES,
) -> Choice:
    """Return the wanted port; where only the default is taken or leased, the next spare one.

    Raises `EnvironmentProblemError` if the port was asked for by name and is taken: moving would be a surprise.
    """
    port = wanted(published, environment)
    if environment.get(published.variable, "").strip():
        # Not leased: who names a port may hold the lease, to keep it for this lab.
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
