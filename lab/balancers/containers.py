"""Images and commands of balancers in containers: one image for ours, one for the others, or one that a user names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .adapter import Adapter, Command, Missing, Program

_CONFINED: Final = (
    "--init", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
    "--memory", "256m", "--pids-limit", "128",
    # Where the engine sets no limit, that is a thousand million files, and HAProxy makes room for as many connections.
    "--ulimit", "nofile=8192:8192",
)  # fmt: skip
"""As every member of the lab (compose.yaml)."""
_UNPRIVILEGED: Final = 65532


@dataclass(frozen=True, slots=True)
class Containers:
    """A `Place`: each command in a container of this image, which has the balancer's program on its path.

    It sees its folder under the same name as this machine does.
    """

    image: str

    def find(self, adapter: Adapter) -> Program | Missing:
        """By name."""
        return Program(("python", "-m", "lb") if adapter.name == "reroute" else (adapter.name,))

    def reached(self, command: Command, folder: Path | None = None) -> Command:
        """A container without network, which ends with the command."""
        return Command(self.run(command, folder, "--rm", "--network", "none"))

    def kept_in(self, command: Command, folder: Path | None) -> Command:
        """As it is: the container keeps it."""
        return command

    def run(self, command: Command, folder: Path | None, *options: str) -> tuple[str, ...]:
        """The words of `docker run`."""
        shared = ("--volume", f"{folder}:{folder}", "--user", _owner(folder)) if folder is not None else ()
        environment = [word for name, value in command.environment.items() for word in ("--env", f"{name}={value}")]
        program, *arguments = command.argv
        started = ("--entrypoint", program, self.image, *arguments)
        return ("docker", "run", *_CONFINED, *options, *shared, *environment, *started)


def _owner(folder: Path) -> str:
    """Who owns the folder, as the container's user; where that would be root, the folder is given away first."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)
    found = folder.stat()
    return f"{found.st_uid}:{found.st_gid}"
