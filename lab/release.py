"""The installed version of Reroute."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "reroute-lab"


def release() -> str:
    """Return the version as `importlib.metadata` has it, or `unreleased` in a source tree that is not installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unreleased"
