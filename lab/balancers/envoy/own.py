"""Users' own configuration files of Envoy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..adapter import Command, OwnFiles, Program
from ..configuration import Configuration, Edit, Listener, Pool
from ..tunables import Bounds, Tunable, Writes
from . import edits, reader, tunables


class EnvoyFiles(OwnFiles):
    """A user's files are a bootstrap file and the discovery files that it names."""

    forwards = r"""["']?\baddress["']?[ \t]*:[ \t]*["']?(?P<address>[\w.-]+)"""
    content = r'^[ \t{"]*(?:static|dynamic)_resources\b'
    spreads = "lb_policy: ROUND_ROBIN"
    in_folder = ("*.yaml", "*.yml", "*.json")

    def read(self, files: Sequence[Path]) -> Configuration:
        return reader.read(files)

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        return edits.edits(configuration, listener, pool)

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        return list(tunables.tunables(configuration, pool, bounds))

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        return tunables.edits(configuration, pool, writes)

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        file = str(files[0])
        check = Command((*program.argv, "--mode", "validate", "-l", "error", "-c", file))
        return check, Command((*program.argv, "-c", file, "--disable-hot-restart", "-l", "warning"))
