"""How a process of the balancer is set up: event loop, open files, garbage collection, and which build it runs."""

from __future__ import annotations

import asyncio
import gc
import platform
import resource
from collections.abc import Callable
from typing import Final

from ..core import balancer

GC_THRESHOLDS: Final = (10_000, 50, 50)
"""New objects before the youngest generation is collected (Python's default is 700), and collections of one generation
before the next older one is collected. What the admin API leaves behind is still found within a few thousand requests.

A request leaves no cycles (`tests/unit/lb/proxy/test_lb_proxy_garbage.py`), so there is little to collect, but each
collection visits everything that connections hold: with 10,000 of them it takes tens of milliseconds, all at once."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory if uvloop is installed, else None: nothing depends on it, it is only faster."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files, often 1024, to the hard one: each request in flight takes two sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_garbage_collection() -> None:
    """Collect rarely from now on, and never visit again what exists now. Call it once everything is started."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def is_compiled() -> bool:
    """Return whether the hot modules are those that `scripts/compile_lb.py` has made (docs/decisions/0010)."""
    return not balancer.__file__.endswith(".py")


def describe_build() -> str:
    """Return, for example, `CPython 3.13.5 (GCC 14.2.0), compiled`: the cost of a request depends on all of it."""
    compiler = platform.python_compiler()
    kind = "compiled" if is_compiled() else "pure Python"
    return f"{platform.python_implementation()} {platform.python_version()} ({compiler}), {kind}"
