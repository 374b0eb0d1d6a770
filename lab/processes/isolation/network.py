"""A network namespace for the lab with nothing but a loopback interface.

The `lab` command enters it before it starts anything, so the whole lab runs there. If only the balancer were in it,
traffic would need a forwarder, which hides refused connections and adds latency.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from typing import Final

from ..launch import words
from . import kernel

_PROBE_S: Final = 20.0
"""Time-out in seconds of the child process in which `move` is tried first. On a busy host its start takes a second or
two."""


def enter_own_network() -> str:
    """Move this process and its future children to a network of their own.

    Return an empty string, or why this host does not allow it; in that case nothing has changed.
    """
    if threading.active_count() > 1:
        return "this process has threads"
    # The steps cannot be undone, so a child process tries all of them first.
    try:
        done = subprocess.run(
            words("lab.processes.isolation.network"), capture_output=True, text=True, timeout=_PROBE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    move()
    return ""


def has_only_loopback() -> bool:
    """Return whether this process can reach nothing beyond loopback."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def move() -> None:
    """Move this process to a network of its own. Raise `OSError` if that fails, perhaps after some of the steps."""
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
    except PermissionError:
        kernel.own_user_namespace(kernel.CLONE_NEWNET)
    kernel.loopback_up()


if __name__ == "__main__":
    move()
