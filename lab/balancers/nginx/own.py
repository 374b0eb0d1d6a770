"""Users' own configuration files of nginx."""

from __future__ import annotations

import getpass
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

_DAEMON: Final = re.compile(r"(?<![\w#.-])daemon(\s+)on(\s*;)")
_WRITES: Final = re.compile(
    r"(?<![\w#.-])(pid|lock_file|access_log|error_log|[a-z]+_cache_path|[a-z]+_temp_path)(\s+)(/[^\s;]+)"
)


class NginxFiles(OwnFiles):
    """A user's files are a main file and the files that it includes."""

    forwards = r"(?<![\w$.-])(?:server|(?:proxy|grpc|fastcgi|uwsgi|scgi)_pass)\s+(?P<address>[^\s;{]+)\s*[^{;]*;"
    content = r"^[ \t]*(?:http|events|upstream[ \t]+\S+)[ \t\r]*\{"
    cannot = tunables.CANNOT
    spreads = "least_conn;"
    in_folder = ("nginx.conf",)

    def keep_inside(self, text: str, values: Mapping[str, str], *, main: bool) -> str:
        text = _DAEMON.sub(r"daemon\1off\2", text)
        return _WRITES.sub(lambda found: found[1] + found[2] + inside(found[3], Path(values["DIR"])), text)

    def read(self, files: Sequence[Path]) -> Configuration:
        return reader.read(files)

    def edits(self, configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
        return edits.edits(configuration, listener, pool)

    def tunables(self, configuration: Configuration, listener: Listener, pool: Pool, bounds: Bounds) -> list[Tunable]:
        return list(tunables.tunables(configuration, pool, bounds))

    def tuned(self, configuration: Configuration, listener: Listener, pool: Pool, writes: Writes) -> Sequence[Edit]:
        return tunables.edits(configuration, pool, writes)

    def commands(self, program: Program, files: Sequence[Path]) -> tuple[Command, Command]:
        main, text = files[0], read(files[0])
        # nginx allows each of these directives only once, so they are added only if the file does not have them.
        wanted = {"daemon": "daemon off;", "pid": "pid nginx.pid;"}
        if os.geteuid() == 0:
            # Otherwise nginx would serve as a user who has no access to the run's private folder.
            wanted["user"] = f"user {getpass.getuser()};"
        extra = " ".join(
            line for word, line in wanted.items() if not re.search(rf"(?:^|[;{{}}])\s*{word}\s", text, re.MULTILINE)
        )
        options = ("-p", str(main.parent), "-c", str(main), "-e", "stderr", *(("-g", extra) if extra else ()))
        return Command((*program.argv, *options, "-t")), Command((*program.argv, *options))
