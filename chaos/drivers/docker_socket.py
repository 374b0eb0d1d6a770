"""Detects that the Docker socket mounted here was replaced, so that no daemon will ever answer on it again."""

from __future__ import annotations

import os

DEFAULT_HOST = "unix:///var/run/docker.sock"


def socket_is_dead(host: str = "") -> bool:
    """Return whether the socket was deleted on the host. `host` has the format of DOCKER_HOST.

    A daemon that restarts deletes its socket and creates a new one. A container into which the socket itself is mounted
    keeps the deleted one. With systemd's socket activation this does not happen.
    """
    path = (host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST).removeprefix("unix://")
    try:
        return path.startswith("/") and os.stat(path).st_nlink == 0
    except OSError:
        return False  # the path does not exist now, but may come back
