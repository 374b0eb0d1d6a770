"""What a new configuration changes, and which of that a running balancer cannot change. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..errors import FixedKeyError
from .schema import Config

FIXED = frozenset(
    {
        "version",
        "workers",
        "listen",
        "admin.listen",
        "admin.token",
        "tls",
        "tls.handshake_timeout",
        "proxy_protocol.send",
        "tcp.listen",
        "tcp.tls",
        "access_log.path",
    }
)
"""Keys of sockets that listen, of what guards them, of files and processes. `tls` means having it or not."""


class Change(NamedTuple):
    """One key that is different; values as they would be written, secrets hidden."""

    key: str
    old: Any
    new: Any


def changes(old: Config, new: Config) -> list[Change]:
    """All keys whose values differ. Raises `FixedKeyError`, naming each one that needs a restart."""
    found = list(_differences(old.model_dump(), new.model_dump(), old.printable(), new.printable(), ""))
    fixed = [change.key for change in found if change.key in FIXED]
    if bool(old.proxy_protocol.accept_from) != bool(new.proxy_protocol.accept_from):
        fixed.append("proxy_protocol.accept_from")  # which networks may change; whether there are any may not
    if fixed:
        raise FixedKeyError([f"{key}: cannot change while the balancer runs; restart it" for key in fixed])
    return found


def _differences(old: Any, new: Any, shown_old: Any, shown_new: Any, key: str) -> Iterator[Change]:
    """Compared as values, told as text: a secret that changed differs although both are shown alike."""
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield Change(key, shown_old, shown_new)
        return
    for name in {**old, **new}:
        inner = f"{key}.{name}" if key else name
        yield from _differences(old.get(name), new.get(name), shown_old.get(name), shown_new.get(name), inner)
