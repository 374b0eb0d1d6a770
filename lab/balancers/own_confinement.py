"""Directives of a user's file that must not act in a lab: rewritten if that does not affect the results, else refused.

The process is also confined if the kernel allows it (`lab.processes.isolation`); this holds everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from .adapter import OwnFiles
from .substitution import line_of

_DEVICES: Final = ("/dev/stdout", "/dev/stderr", "/dev/null")
_COMMENT: Final = re.compile(r"^[ \t]*#.*$|[ \t]#.*$", re.MULTILINE)
_UPSTREAM: Final = re.compile(r"\bupstream\s+(\S+?)\s*\{")
_LOCAL: Final = re.compile(r"localhost|127(?:\.\d+){3}|0\.0\.0\.0|\*|::1?|0(?:\.0){0,3}|", re.IGNORECASE)
"""Hosts of this machine: what listens there is judged by the kernel's own tables once the program runs."""
_HOST: Final = re.compile(r"(?:\w+://)?(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:/]*))(?::(?P<port>\d+))?(?:/.*)?")


def refuse_strangers(own: OwnFiles, texts: Mapping[str, str], values: Mapping[str, str]) -> None:
    """Raise `BadArgumentsError` if one of the texts, each under its file's name, forwards to what is not the lab's.

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
                f"{where}:{line}: {address} is not an address of the lab, which forwards to nobody else",
                f"--replace {address}=BACKEND_1 (to BACKEND_3), or take the line out of a copy of the file",
            )


def forwards(own: OwnFiles, text: str) -> Iterator[tuple[int, str]]:
    """(line, address) of everything that the text forwards to; sockets of the file system are left out."""
    bare = _COMMENT.sub(lambda found: " " * len(found[0]), text)
    for match in re.finditer(own.forwards, bare, re.MULTILINE):
        for address in next(filter(None, match.groups()), "").split():
            if not address.startswith(("/", "unix", "abns@", "fd@", "@", "{", "$", "static", "dynamic")):
                yield line_of(text, match.start()), re.sub(r"^(?:ipv[46]@|tcp[46]?/)", "", address).rstrip('"')


def inside(path: str, folder: Path) -> str:
    """Return a path in `folder` in place of an absolute path; devices stay as they are."""
    return (
        path
        if path in _DEVICES or Path(path).is_relative_to(folder)
        else f"{folder}/{path.strip('/').replace('/', '-')}"
    )
