"""Rewrites or refuses directives of a user's file that reach outside the lab.

A directive is rewritten if that does not change the results, and refused otherwise. This works on every system; the
process is also confined if the kernel allows it (`lab.processes.isolation`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from .adapter import OwnFiles
from .substitution import line_of

DEVICES: Final = ("/dev/stdout", "/dev/stderr", "/dev/null")
_COMMENT: Final = re.compile(r"^[ \t]*#.*$|[ \t]#.*$", re.MULTILINE)
_UPSTREAM: Final = re.compile(r"\bupstream\s+(\S+?)\s*\{")
_LOCAL: Final = re.compile(r"localhost|127(?:\.\d+){3}|0\.0\.0\.0|\*|::1?|0(?:\.0){0,3}|", re.IGNORECASE)
"""Hosts of this machine. Whether the lab listens there is checked in the kernel's tables once the program runs."""
_HOST: Final = re.compile(r"(?:\w+://)?(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:/]*))(?::(?P<port>\d+))?(?:/.*)?")


def refuse_strangers(own: OwnFiles, texts: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Raise `BadArgumentsError` if one of the texts (by file name) forwards to an address outside the lab.

    The error names file and line.
    """
    lab = {values[name] for name in values if re.fullmatch(r"LISTEN|ADMIN|BACKEND_\d+", name)}
    known = {address.rpartition(":")[0] for address in lab}
    known |= {name for text in texts.values() for name in _UPSTREAM.findall(text)}
    for where, text in texts.items():
        for line, address in forwards(own, text):
            found = _HOST.fullmatch(address)
            host = (found["host"] or found["v6"] or "") if found else ""
            if found is None or host in known or _LOCAL.fullmatch(host) or "$" in host:
                continue
            raise BadArgumentsError(
                f"{where}:{line}: {address} is not an address of the lab, which forwards only to its backends",
                f"--replace {address}=BACKEND_1 (to BACKEND_3), or remove the line from a copy of the file",
            )


def forwards(own: OwnFiles, text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, address) for each address that the text forwards to, except sockets of the file system."""
    bare = _COMMENT.sub(lambda found: " " * len(found[0]), text)
    for match in re.finditer(own.forwards, bare, re.MULTILINE):
        for address in next(filter(None, match.groups()), "").split():
            if not address.startswith(("/", "unix", "abns@", "fd@", "@", "{", "$", "static", "dynamic")):
                yield line_of(text, match.start()), re.sub(r"^(?:ipv[46]@|tcp[46]?/)", "", address).rstrip('"')


def inside(path: str, folder: Path) -> str:
    """Return the path moved into `folder`. Devices, and paths that are already in it, are returned unchanged."""
    return (
        path
        if path in DEVICES or Path(path).is_relative_to(folder)
        else f"{folder}/{path.strip('/').replace('/', '-')}"
    )
