"""Sets up a process of the balancer: event loop, limit of open files, garbage collection. Describes the build."""

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
before the next older one is collected. Garbage of the admin API is still found within a few thousand requests.

A request leaves no cycles (`tests/unit/lb/proxy/test_lb_proxy_garbage.py`), so there is little to collect, but each
collection visits all objects of connections. With 10,000 connections it blocks for tens of milliseconds."""


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory if uvloop is installed, else None. uvloop is only faster; nothing depends on it."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files, often 1024, to the hard limit. A request in flight needs two sockets."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_garbage_collection() -> None:
    """Collect rarely from now on, and never visit the existing objects again. Call this at the end of the start."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def is_compiled() -> bool:
    """Return whether the modules compiled by `scripts/compile_lb.py` are in use (docs/decisions/0010)."""
    return not balancer.__file__.endswith(".py")


def describe_build() -> str:
    """Return a text such as `CPython 3.13.5 (GCC 14.2.0), compiled`. The cost of a request depends on all of these."""
    compiler = platform.python_compiler()
    kind = "compiled" if is_compiled() else "pure Python"
    return f"{platform.python_implementation()} {platform.python_version()} ({compiler}), {kind}"
