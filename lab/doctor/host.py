"""Python, ports, processor and memory: what both runtimes stand on."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import Final

from ..errors import BadArgumentsError
from ..runtime import ports
from .findings import Finding, good, less, missing

MIN_PYTHON: Final = (3, 11)
MIN_CORES: Final = 2
MIN_MEMORY_GIB: Final = 1.0
PARTS: Final = ("aiohttp", "docker", "fastapi", "httptools", "pydantic", "ruamel.yaml", "uvicorn")
"""What the processes of a local lab import."""


def host_findings() -> list[Finding]:
    """Everything below."""
    return [python(), packages(), *map(port, ports.PUBLISHED), cores(), memory()]


def python() -> Finding:
    """The interpreter that runs this."""
    found = platform.python_version()
    if sys.version_info >= MIN_PYTHON:
        return good("Python", found)
    return missing("Python", found, "nothing runs", "install Python 3.11 or newer", ("local", "docker"))


def packages() -> Finding:
    """Whether a local lab's processes find what they import."""
    absent = [name for name in PARTS if importlib.util.find_spec(name.split(".")[0]) is None]
    if not absent:
        return good("packages", "all of a local lab's are installed")
    mend = "pip install --require-hashes -r requirements/local.txt"
    return missing("packages", f"without {', '.join(absent)}", "no runtime local", mend, ("local",))


def port(published: ports.Published) -> Finding:
    """Whether a published port is free, or at least some other is."""
    name = f"port ({published.name})"
    try:
        number = ports.wanted(published)
    except BadArgumentsError as error:
        return missing(name, str(error), "no lab starts", f"unset {published.variable}", ("local", "docker"))
    if ports.is_free(number):
        return good(name, f"{number} is free")
    costs = "runtime docker cannot start a second lab; runtime local takes another port"
    return less(name, f"{number} is in use", costs, f"lab down, or {published.variable}=…")


def cores() -> Finding:
    """Processors that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count >= MIN_CORES:
        return good("cores", str(count))
    return less("cores", str(count), "the traffic generator competes with the lab: more runs end `unknown`")


def memory() -> Finding:
    """Memory of the machine, where the system tells."""
    try:
        gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return less("memory", "the system does not tell", "unknown")
    if gib >= MIN_MEMORY_GIB:
        return good("memory", f"{gib:.1f} GiB")
    return less("memory", f"{gib:.1f} GiB", f"a lab wants about {MIN_MEMORY_GIB:g} GiB")
