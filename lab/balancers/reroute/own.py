"""Users' own configuration files of Reroute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adapter import Command, OwnFiles, Program


class RerouteFiles(OwnFiles):
    """A user's files are one YAML file."""

    forwards = r"""["']?\baddress["']?[ \t]*:[ \t]*["']?(?P<other>[^\s"',}]+)"""
    content = r"^discovery:"
    in_folder = ("*.yaml", "*.yml")

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        command = (*program.argv, "--config", str(files[0]))
        return Command((*command, "--check")), Command(command)
