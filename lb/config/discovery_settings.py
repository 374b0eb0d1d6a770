"""Settings of discovery: one model for each kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from .ceilings import LONGEST_HOLD_S, MOST_BACKENDS
from .value_types import Duration, HostName, Interval, Listen, Positive, Section, Share, Weight, expect, split

_BACKEND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def backend_id(value: object) -> str:
    """Return a valid id. Raise ValueError for one that cannot be sent in `X-Backend` and, in a list, in `X-Tried`."""
    if not isinstance(value, str) or not _BACKEND_ID.fullmatch(value):
        raise ValueError(f"{value!r} is not a backend id: up to 128 of A-Z a-z 0-9 . _ : - (a letter or digit first)")
    return value


class BackendEntry(Section):
    """One backend of static or file discovery. Its short form is `id=host:port` or `host:port`."""

    id: Annotated[str, BeforeValidator(backend_id)]
    address: Listen
    weight: Weight = 1.0

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, _, where = value.rpartition("=")
        return {"id": name or where, "address": where}


def unique(backends: tuple[BackendEntry, ...]) -> tuple[BackendEntry, ...]:
    """Return the backends. Raise ValueError if two have the same id or address, or if there are too many."""
    expect(len(backends) <= MOST_BACKENDS, f"{len(backends)} backends are too many; at most {MOST_BACKENDS}")
    for what in ("id", "address"):
        values = Counter(str(getattr(backend, what)) for backend in backends)
        twice = sorted(value for value, count in values.items() if count > 1)
        expect(not twice, f"{what} used twice: {', '.join(twice)}")
    return backends


class _Discovery(Section):
    """Settings of every kind of discovery: when its answers are delayed (`lb.discovery.retention`)."""

    hold: Annotated[Duration, Field(le=LONGEST_HOLD_S)] = 60.0
    """How long passing backends are kept at most if an answer would remove most of them; 0s: not at all.

    The default, a minute, is ten times as long as a new backend needs to start and pass its checks.
    """
    max_loss: Share = 0.5
    """Share of the passing backends that one answer may remove at once. Removing all is always delayed."""


class StaticDiscovery(_Discovery):
    """Backends listed in the configuration."""

    kind: Literal["static"]
    backends: Annotated[tuple[BackendEntry, ...], BeforeValidator(split)] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        unique(self.backends)
        return self


class DnsDiscovery(_Discovery):
    """Backends that are the addresses of a DNS name, which is resolved repeatedly."""

    kind: Literal["dns"]
    name: HostName
    port: Annotated[int, Field(ge=1, le=65535)]
    interval: Interval = 1.0
    timeout: Positive = 2.0
    """Time limit of a lookup. After it, the known backends are kept."""


class FileDiscovery(_Discovery):
    """Backends listed in a separate YAML file, which is read again when it changes."""

    kind: Literal["file"]
    path: Path
    interval: Interval = 1.0


Discovery = StaticDiscovery | DnsDiscovery | FileDiscovery
KINDS: Final[Mapping[str, type[Section]]] = {
    name: model for model in get_args(Discovery) for name in get_args(model.model_fields["kind"].annotation)
}
"""The model of each kind, by its name in the configuration."""
