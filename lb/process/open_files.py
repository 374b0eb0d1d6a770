"""Room for sockets: as many open files as this machine lets us have, like every other balancer."""

from __future__ import annotations

import resource


def allow_all() -> None:
    """Raise the soft limit, often 1024, to the hard one: each request in flight takes two, and clients may be many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
