"""Users' own configuration files of Traefik."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adapter import Command, OwnFiles, Program


class TraefikFiles(OwnFiles):
    """A user's files are the static file and the files that it names."""

    forwards = r"""["']?\b(?:url|address)["']?[ \t]*[:=][ \t]*["']?(?P<address>[^\s"',}]+)"""
    content = r'^[ \t\["]*entryPoints\b|\btraefik\.http\.'
    in_folder = ("traefik.*", "*.yml", "*.yaml", "*.toml")

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[None, Command]:
        return None, Command((*program.argv, f"--configFile={files[0]}"))
