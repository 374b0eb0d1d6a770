"""Compares two configurations, and refuses changes that need a restart. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, get_args

from pydantic import BaseModel

from ..errors import FixedKeyError
from .schema import Config
from .value_types import AT_START


def fixed_keys(section: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """Yield all keys that are marked with `AT_START`."""
    for name, field in section.model_fields.items():
        if AT_START in field.metadata:
            yield f"{prefix}{name}"
        for inner in get_args(field.annotation) or (field.annotation,):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fixed_keys(inner, f"{prefix}{name}.")


FIXED: Final = frozenset(fixed_keys())
"""Keys that only a restart can change. `tls`: whether it is set."""


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
