"""Detects a Docker socket that was replaced, so that this process can never be answered on it again."""

from __future__ import annotations

import os

DEFAULT_HOST = "unix:///var/run/docker.sock"


def socket_is_dead(host: str = "") -> bool:
    """A daemon that restarts removes its socket and makes another; a container in which the socket itself is mounted
    keeps the old one, a file without a name. Systemd's socket activation avoids that. `host` is as in DOCKER_HOST."""
    path = (host or os.environ.get("DOCKER_HOST") or DEFAULT_HOST).removeprefix("unix://")
    try:
        return path.startswith("/") and os.stat(path).st_nlink == 0
    except OSError:
        return False  # looked up by its name: it may be there again
