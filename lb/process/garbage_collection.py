"""How Python's cyclic garbage collector runs beside traffic.

A request leaves no cycles (`tests/unit/lb/proxy/test_lb_proxy_garbage.py`), so there is little to find, but every
look at what connections hold costs time, all at once: with 10,000 of them, tens of milliseconds.
"""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 10_000, 50, 50
"""Objects that a look at the youngest waits for (700 by default), and how many looks at one generation make one at
the next: what the admin API leaves behind is found within a few thousand requests."""


def settle() -> None:
    """What is there now, once everything is started, stays: it is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
