"""The sockets of a process and its descendants, read from the kernel's tables in /proc (Linux)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..usage import PROC, family

_ESTABLISHED: Final = "01"
_SYN_SENT: Final = "02"
_LISTEN: Final = "0A"
"""State from include/net/tcp_states.h."""


@dataclass(frozen=True, slots=True)
class Socket:
    """One TCP socket; addresses are `host:port`."""

    local: str
    remote: str
    listens: bool

    @property
    def port(self) -> str:
        """The local port."""
        return self.local.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Offence:
    """A socket that reaches outside the lab."""

    what: str
    address: str


def sockets_of(pid: int, proc: Path = PROC) -> list[Socket]:
    """Return the TCP sockets that listen, are connected or are connecting."""
    held, tables = set(), []
    for member in family(pid, proc):
        with suppress(OSError):
            for descriptor in (proc / str(member) / "fd").iterdir():
                with suppress(OSError):
                    held.add(str(descriptor.readlink()))
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            tables += (proc / str(pid) / "net" / name).read_text(encoding="ascii").splitlines()[1:]
    return [found for line in tables for found in _socket(line.split(), held)]


def offences(found: Collection[Socket], backends: Collection[str]) -> Iterator[Offence]:
    """Yield the sockets that are neither on loopback nor connected to the lab's backends."""
    own = {each.port for each in found if each.listens}
    for each in found:
        if each.listens:
            if not _loopback(each.local):
                yield Offence(f"it listens on {each.local}, beyond loopback", each.local)
            continue
        to_itself = _loopback(each.remote) and each.remote.rpartition(":")[2] in own
        if each.port not in own and each.remote not in backends and not to_itself:
            yield Offence(f"it connects to {each.remote}, which is not part of the lab", each.remote)


def blame(offence: Offence, files: Collection[Path]) -> str:
    """Return `file:line: ` of the first line that names the address or its port, or an empty string."""
    host, _, port = offence.address.rpartition(":")
    for wanted in (offence.address, host, port):
        word = re.compile(rf"(?<![\w.]){re.escape(wanted)}(?![\w.])")
        for path in files:
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            for number, line in enumerate(text.splitlines(), 1):
                if word.search(line.partition("#")[0]):
                    return f"{path}:{number}: "
    return ""


def _socket(fields: list[str], held: Collection[str]) -> Iterator[Socket]:
    state, inode = fields[3], fields[9]
    if f"socket:[{inode}]" in held and state in {_ESTABLISHED, _SYN_SENT, _LISTEN}:
        yield Socket(_address(fields[1]), _address(fields[2]), state == _LISTEN)


def _address(text: str) -> str:
    """Return `0100007F:1F90` as `127.0.0.1:8080`. The table has 32-bit words in the machine's byte order."""
    host, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return f"{mapped or address}:{int(port, 16)}"


def _loopback(address: str) -> bool:
    return ipaddress.ip_address(address.rpartition(":")[0]).is_loopback
