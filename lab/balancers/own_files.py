"""Somebody's own configuration files: copied, with this lab's addresses in the place of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab.balancers.adapter import Command, Program
from lab.errors import BadArgumentsError

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")
_EDGE = r"[\w.:-]"
"""What may not stand next to a replaced text: 10.0.0.5:80 is not part of 10.0.0.5:8080."""


def fill(text: str, values: Mapping[str, str], where: str) -> str:
    """Replace `@NAME@` by its value. Raises `BadArgumentsError` for a name that does not exist."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            line = text.count("\n", 0, match.start()) + 1
            raise BadArgumentsError(
                f"{where}:{line}: {match[0]} is no placeholder", f"there are {', '.join(f'@{n}@' for n in values)}"
            )
        return values[match[1]]

    return _PLACEHOLDER.sub(value, text)


def rewrite(text: str, replace: Iterable[tuple[str, str]], values: Mapping[str, str], where: str) -> str:
    """Replace each text, where it stands alone, by a placeholder's value.

    Raises `BadArgumentsError` where it does not occur (a typing error would leave production's address in place).
    """
    for old, name in replace:
        if name not in values:
            raise BadArgumentsError(f"{name} is no placeholder", f"there are {', '.join(values)}")
        text, count = _alone(old).subn(lambda _, value=values[name]: value, text)  # type: ignore[misc]
        if not count:
            raise BadArgumentsError(f"{where}: {old!r} does not occur in it", "give the address as the file writes it")
    return text


def _alone(text: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!{_EDGE}){re.escape(text)}(?!{_EDGE})")


def adopt(files: Sequence[str], replace: Sequence[tuple[str, str]], values: Mapping[str, str], folder: Path) -> Path:
    """Copy the files into `folder`, filled in; answers the main one's copy.

    Replacements apply to the file in which their text occurs. Raises `BadArgumentsError` for a file that cannot be
    read, a text that is in none of them, and where no backend of this lab ends up in them.
    """
    texts = {Path(each): _read(Path(each)) for each in files}
    for old, name in replace:
        having = [path for path, text in texts.items() if _alone(old).search(text)] or [Path(files[0])]
        for path in having:
            texts[path] = rewrite(texts[path], [(old, name)], values, path.name)
    filled = {path: fill(text, values, path.name) for path, text in texts.items()}
    if not any(values["BACKEND_1_PORT"] in text for text in filled.values()):
        raise BadArgumentsError(
            f"{files[0]} names no backend of the lab",
            "write @BACKEND_1@ … in it, or say --replace OLD=BACKEND_1 (docs/peers.md)",
        )
    for path, text in filled.items():
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / Path(files[0]).name


def command_for(name: str, program: Program, main: Path) -> tuple[Command | None, Command]:
    """How the program checks a file, and how it runs on it in the foreground."""
    file, folder = str(main), str(main.parent)
    match name:
        case "haproxy":
            return Command((*program.argv, "-c", "-f", file)), Command((*program.argv, "-db", "-f", file))
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


def _nginx(program: Program, main: Path) -> tuple[Command, Command]:
    text = main.read_text(encoding="utf-8")
    # Each of these may stand only once, so they are added only where the file does not have them.
    wanted = {"daemon": "daemon off;", "pid": "pid nginx.pid;"}
    extra = " ".join(line for word, line in wanted.items() if not re.search(rf"^\s*{word}\s", text, re.MULTILINE))
    argv = (*program.argv, "-p", str(main.parent), "-c", str(main), "-e", "stderr", *(("-g", extra) if extra else ()))
    return Command((*argv, "-t")), Command(argv)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadArgumentsError(f"{path} cannot be read: {reason}", "give the file of your balancer") from error
