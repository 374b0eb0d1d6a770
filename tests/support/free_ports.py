"""Ports for servers that tests start by number, kill and start again: nobody else may get one meanwhile.

So they are no ephemeral ports (Linux gives 32768 and up to outgoing connections: one of those can take the port of a
server that is dead for a moment), none of a lab's (20000 and up, `lab.runtime.ports`), and each pytest-xdist worker has
a tenth of the range to itself.
"""

from __future__ import annotations

import itertools
import os

from lab.runtime.ports import is_free

FIRST, SHARE, SHARES = 10_000, 1_000, 10

_offsets = itertools.count(os.getpid())


def free_port() -> int:
    """A port that nobody listens on, and that was not given out for a long while."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    mine = FIRST + worker % SHARES * SHARE
    return next(port for port in (mine + offset % SHARE for offset in _offsets) if is_free(port))
