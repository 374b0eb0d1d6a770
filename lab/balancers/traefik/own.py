"""Users' own configuration files of Traefik."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adapter import Command, OwnFiles, Program
from ..configuration import Configuration, Edit, Listener, Pool
from ..tunables import Bounds, Tunable, Writes
from . import edits, reader, tunables


class TraefikFiles(OwnFiles):
    """A user's files are a static file, dynamic files, and compose files with flags and labels."""

    forwards = r"""["']?\b(?:url|address)["']?[ \t]*[:=][ \t]*["']?(?P<address>[^\s"',}]+)"""
    content = r'^[ \t\["]*entryPoints\b|\btraefik\.http\.'
    spreads = "strategy: wrr"
    in_folder = ("traefik.*", "*.yml", "*.yaml", "*.toml")
    loaded_path = edits.LOADED_PATH

    def read(self, files: Sequence[Path]) -> Configuration:
        return reader.read(files)

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        return edits.edits(configuration, listener, pool)

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        return list(tunables.tunables(configuration, pool, bounds))

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        return tunables.edits(configuration, pool, writes)

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[None, Command]:
        return None, Command((*program.argv, f"--configFile={files[0]}"))
