"""How each program checks somebody's own files, and how it runs on them in the foreground."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import BadArgumentsError
from .adapter import Command, Program
from .own_files import read

_HAPROXY_SECTION = re.compile(
    r"^(?:global|defaults|frontend|backend|listen|resolvers|peers|userlist|mailers|cache|program|ring|http-errors)\b",
    re.MULTILINE,
)


def command_for(name: str, program: Program, files: Sequence[Path]) -> tuple[Command | None, Command]:
    """The command that checks the files (None where the program has none), and the one that runs on them."""
    main = files[0]
    file, folder = str(main), str(main.parent)
    match name:
        case "haproxy":
            words = [word for each in files if _is_haproxy(each, main) for word in ("-f", str(each))]
            return Command((*program.argv, "-c", *words)), Command((*program.argv, "-db", *words))
        case "nginx":
            return _nginx(program, main)
        case "envoy":
            quiet = ("--disable-hot-restart", "-l", "warning")
            check = Command((*program.argv, "--mode", "validate", "-l", "error", "-c", file))
            return check, Command((*program.argv, "-c", file, *quiet))
        case "traefik":
            return None, Command((*program.argv, f"--configFile={file}"))
        case "caddy":
            kind = () if main.suffix == ".json" else ("--adapter", "caddyfile")
            home = {"XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
            check = Command((*program.argv, "validate", *kind, "--config", file), home)
            return check, Command((*program.argv, "run", *kind, "--config", file), home)
        case "reroute":
            check = Command((*program.argv, "--config", file, "--check"))
            return check, Command((*program.argv, "--config", file))
    raise BadArgumentsError(f"{name} takes no file of one's own")


def _is_haproxy(path: Path, main: Path) -> bool:
    """Whether HAProxy is to read it with `-f`; an error page, a map or a certificate is only named in such a file."""
    return path == main or path.suffix == ".cfg" or _HAPROXY_SECTION.search(read(path)) is not None


def _nginx(program: Program, main: Path) -> tuple[Command, Command]:
    text = read(main)
    # Each of these may stand only once, so they are added only where the file does not have them.
    wanted = {"daemon": "daemon off;", "pid": "pid nginx.pid;"}
    extra = " ".join(
        line for word, line in wanted.items() if not re.search(rf"(?:^|[;{{}}])\s*{word}\s", text, re.MULTILINE)
    )
    argv = (*program.argv, "-p", str(main.parent), "-c", str(main), "-e", "stderr", *(("-g", extra) if extra else ()))
    return Command((*argv, "-t")), Command(argv)
