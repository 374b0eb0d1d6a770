"""Ports for servers that tests start by number, kill and start again: nobody else may get one meanwhile.

So they are no ephemeral ports (Linux gives 32768 and up to outgoing connections: one of those can take the port of a
server that is dead for a moment), none of a lab's (20000 and up, `lab.runtime.ports`), and each is leased until this
process ends: another test worker, or another run of the tests, does not get it.
"""

from __future__ import annotations

import threading

from lab.runtime.ports import free_ports

RANGE = range(10_000, 20_000)

_ports = free_ports(among=RANGE)
_lock = threading.Lock()


def free_port() -> int:
    """Return a port that nobody listens on, and that no other test gets before this process ends."""
    with _lock:
        return next(_ports)
