"""Compares two configurations, and refuses changes that need a restart. Pure."""

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
"""Keys that only a restart can change. They concern listening sockets, files and processes. `tls`: whether it is
set."""


class Change(NamedTuple):
    """One key with a different value. Values are as in the file, with secrets hidden."""

    key: str
    old: Any
    new: Any


def changes(old: Config, new: Config) -> list[Change]:
    """Return all keys whose values differ. Raise FixedKeyError with each key that needs a restart."""
    found = list(_differences(old.model_dump(), new.model_dump(), old.printable(), new.printable(), ""))
    fixed = [change.key for change in found if change.key in FIXED]
    if bool(old.proxy_protocol.accept_from) != bool(new.proxy_protocol.accept_from):
        fixed.append("proxy_protocol.accept_from")  # only adding the first or removing the last network needs a restart
    if fixed:
        raise FixedKeyError([f"{key}: cannot change while the balancer runs; restart it" for key in fixed])
    return found


def _differences(old: Any, new: Any, shown_old: Any, shown_new: Any, key: str) -> Iterator[Change]:
    """Yield the differences. Values are compared before formatting, because formatted secrets look alike."""
    if old == new:
        return
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield Change(key, shown_old, shown_new)
        return
    for name in {**old, **new}:
        inner = f"{key}.{name}" if key else name
        yield from _differences(old.get(name), new.get(name), shown_old.get(name), shown_new.get(name), inner)
