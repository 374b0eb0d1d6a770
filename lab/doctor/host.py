"""What both runtimes need: Python, packages, ports, processors and memory."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import Final

from ..errors import BadArgumentsError
from ..runtime import ports
from ..runtime.selection import RuntimeName
from .findings import Finding, good, less, missing

MIN_PYTHON: Final = (3, 11)
MIN_CORES: Final = 2
MIN_MEMORY_GIB: Final = 1.0
REQUIRED_PACKAGES: Final = ("aiohttp", "docker", "fastapi", "httptools", "pydantic", "ruamel.yaml", "uvicorn")
"""Packages that the processes of a local lab import."""


def host_findings() -> list[Finding]:
    """Return the findings of this module."""
    return [python(), packages(), *map(port, ports.PUBLISHED), cores(), memory()]


def python() -> Finding:
    """Check the version of this interpreter."""
    found = platform.python_version()
    if sys.version_info >= MIN_PYTHON:
        return good("Python", found)
    return missing("Python", found, "nothing runs", "install Python 3.11 or newer", tuple(RuntimeName))


def packages() -> Finding:
    """Check that the packages of a local lab are installed."""
    absent = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name.split(".")[0]) is None]
    if not absent:
        return good("packages", "all that a local lab needs are installed")
    mend = "pip install --require-hashes -r requirements/local.txt"
    return missing("packages", f"without {', '.join(absent)}", "no runtime local", mend, (RuntimeName.LOCAL,))


def port(published: ports.Published) -> Finding:
    """Check whether a published port is free."""
    name = f"port ({published.name})"
    try:
        number = ports.wanted(published)
    except BadArgumentsError as error:
        return missing(name, str(error), "no lab starts", f"unset {published.variable}", tuple(RuntimeName))
    if ports.is_free(number):
        return good(name, f"{number} is free")
    costs = "runtime docker cannot start a second lab; runtime local takes another port"
    return less(name, f"{number} is in use", costs, f"lab down, or {published.variable}=…")


def cores() -> Finding:
    """Check the number of processors that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count >= MIN_CORES:
        return good("cores", str(count))
    return less("cores", str(count), "the traffic generator competes with the lab: more runs end `unknown`")


def memory() -> Finding:
    """Check the memory of the machine, if the system reports it."""
    try:
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return less("memory", "the system does not report it", "unknown")
    if gib >= MIN_MEMORY_GIB:
        return good("memory", f"{gib:.1f} GiB")
    return less("memory", f"{gib:.1f} GiB", f"a lab needs about {MIN_MEMORY_GIB:g} GiB")
