"""Runs balancers in containers: one image for ours, another for the peers, or an image that a user names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .adapter import Adapter, Command, Missing, Program

_CONFINED: Final = (
    "--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
    "--memory", "256m", "--pids-limit", "128",
    # Without a limit, a container may open 10⁹ files, and HAProxy would allocate memory for as many connections.
    "--ulimit", "nofile=8192:8192",
)  # fmt: skip
"""The same limits as for every member of the lab (compose.yaml)."""
_UNPRIVILEGED: Final = 65532


@dataclass(frozen=True, slots=True)
class Containers:
    """A `Place` in which each command runs in a container of this image, whose PATH has the balancer's program.

    The container sees the run's folder under the same path as this machine.
    """

    image: str

    def find(self, adapter: Adapter) -> Program | Missing:
        """Return the program by name: the image has it on its PATH."""
        return Program(("python", "-m", "lb") if adapter.name == "reroute" else (adapter.name,))

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """Return the command that runs `command` in a container without network. Both end together."""
        return Command(self.run(command, folder, "--rm", "--network", "none"))

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """Return the command unchanged, because the container confines it."""
        return command

    def run(self, command: Command, folder: Path | None, *options: str) -> tuple[str, ...]:
        """Return the words of `docker run`."""
        shared = ("--volume", f"{folder}:{folder}", "--user", _owner(folder)) if folder is not None else ()
        environment = [word for name, value in command.environment.items() for word in ("--env", f"{name}={value}")]
        program, *arguments = command.argv
        started = ("--entrypoint", program, self.image, *arguments)
        return ("docker", "run", *_CONFINED, *options, *shared, *environment, *started)


def _owner(folder: Path) -> str:
    """Return the folder's owner as `uid:gid`. A folder of root is first given to an unprivileged user."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)
    found = folder.stat()
    return f"{found.st_uid}:{found.st_gid}"
