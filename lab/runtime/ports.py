"""Which ports a local lab listens on: the published defaults where they are free, others where not."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.errors import BadArgumentsError, EnvironmentProblemError

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

    Raises `BadArgumentsError` where the variable is no port number.
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


def free_ports(rng: random.Random | None = None) -> Iterator[int]:
    """Distinct free ports from `PICK_FROM`, from a random start so that two labs seldom want the same."""
    start = (rng or random.Random()).randrange(len(PICK_FROM))
    for offset in range(len(PICK_FROM)):
        port = PICK_FROM[(start + offset) % len(PICK_FROM)]
        if is_free(port):
            yield port
    raise EnvironmentProblemError(
        f"no free port left between {PICK_FROM.start} and {PICK_FROM.stop - 1}", "stop what listens there"
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The port taken for a published one, and the sentence to say when it is another than people expect."""

    port: int
    notice: str = ""


def choose(published: Published, spare: Iterator[int], environment: Mapping[str, str] = os.environ) -> Choice:
    """The wanted port; where only the default is taken, the next spare one.

    Raises `EnvironmentProblemError` where the port was asked for by name and is taken: moving would be a surprise.
    """
    port = wanted(published, environment)
    if is_free(port):
        return Choice(port)
    if environment.get(published.variable, "").strip():
        raise EnvironmentProblemError(
            f"port {port} ({published.name}, from {published.variable}) is in use",
            f"stop what listens there, or choose another {published.variable}",
        )
    other = next(spare)
    return Choice(other, f"port {port} ({published.name}) is in use: taking {other} instead")
