"""Users' own configuration files of Envoy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adapter import Command, OwnFiles, Program


class EnvoyFiles(OwnFiles):
    """A user's files are one bootstrap file."""

    forwards = r"""["']?\baddress["']?[ \t]*:[ \t]*["']?(?P<address>[\w.-]+)"""
    content = r'^[ \t{"]*(?:static|dynamic)_resources\b'
    in_folder = ("*.yaml", "*.yml", "*.json")

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        file = str(files[0])
        check = Command((*program.argv, "--mode", "validate", "-l", "error", "-c", file))
        return check, Command((*program.argv, "-c", file, "--disable-hot-restart", "-l", "warning"))
