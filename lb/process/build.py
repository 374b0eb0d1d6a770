"""Which Python runs the balancer, and whether its hot modules are compiled: a request's cost depends on both."""

from __future__ import annotations

import platform

from ..core import balancer


def compiled() -> bool:
    """Whether `scripts/compile_lb.py` made these modules (docs/decisions/0010)."""
    return not balancer.__file__.endswith(".py")


def described() -> str:
    """Such as `CPython 3.13.5 (GCC 14.2.0), compiled`."""
    compiler = platform.python_compiler()
    kind = "compiled" if compiled() else "pure Python"
    return f"{platform.python_implementation()} {platform.python_version()} ({compiler}), {kind}"
