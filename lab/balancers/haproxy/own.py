"""Users' own configuration files of HAProxy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ..adapter import Command, OwnFiles, Program
from ..configuration import Configuration, Edit, Listener, Pool
from ..own_files import inside, read
from ..tunables import Bounds, Tunable, Writes
from . import edits, reader, tunables

_SECTION: Final = re.compile(
    r"^(?:global|defaults|frontend|backend|listen|resolvers|peers|userlist|mailers|cache|program|ring|http-errors)\b",
    re.MULTILINE,
)
_WRITES: Final = re.compile(r"^([ \t]*(?:stats[ \t]+socket|pidfile)[ \t]+)(?:unix@)?(/\S+)", re.MULTILINE)


class HaproxyFiles(OwnFiles):
    """A user's files with sections are each given as a `-f` option."""

    forwards = r"^[ \t]*server(?:-template)?[ \t]+\S+[ \t]+(?:[\d-]+[ \t]+)?(?P<address>\S+)"
    named = r".*\.cfg"
    content = r"^(?:global|defaults|frontend|backend|listen)\b[^{:=]*$"
    spreads = "balance roundrobin"
    in_folder = ("*.cfg",)

    def keep_inside(self, text: str, values: Mapping[str, str], *, main: bool) -> str:
        return _WRITES.sub(lambda found: found[1] + inside(found[2], Path(values["DIR"])), text)

    def read(self, files: Sequence[Path]) -> Configuration:
        return reader.read([each for each in files if _has_sections(each, files[0])])

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        return edits.edits(configuration, listener, pool, os.environ)

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        return list(tunables.tunables(configuration, pool, bounds, os.environ))

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        return tunables.edits(configuration, pool, writes, os.environ)

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        words = [word for each in files if _has_sections(each, files[0]) for word in ("-f", str(each))]
        return Command((*program.argv, "-c", *words)), Command((*program.argv, "-db", *words))


def _has_sections(path: Path, main: Path) -> bool:
    """Return whether the file is a configuration (`-f`), not an error page, map or certificate."""
    return path == main or path.suffix == ".cfg" or _SECTION.search(read(path)) is not None
