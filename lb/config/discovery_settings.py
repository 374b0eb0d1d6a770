"""How a configuration names the backends: one model for each kind of discovery."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .ceilings import LONGEST_HOLD_S, MOST_BACKENDS
from .value_types import Duration, HostName, Interval, Listen, Positive, Section, Share, Weight, expect, split

_BACKEND_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


def backend_id(value: object) -> str:
    """Ids travel in `X-Backend` and, comma-separated, in `X-Tried`. Raises `ValueError`."""
    if not isinstance(value, str) or not _BACKEND_ID.fullmatch(value):
        raise ValueError(f"{value!r} is not a backend id: up to 128 of A-Z a-z 0-9 . _ : - (a letter or digit first)")
    return value


class BackendEntry(Section):
    """One backend of a static or file discovery; `id=host:port` or just `host:port` is its short spelling."""

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
    """Refuse two backends of one id or one address, and more than there may be. Raises `ValueError`."""
    expect(len(backends) <= MOST_BACKENDS, f"{len(backends)} backends are too many; at most {MOST_BACKENDS}")
    for what in ("id", "address"):
        values = Counter(str(getattr(backend, what)) for backend in backends)
        twice = sorted(value for value, count in values.items() if count > 1)
        expect(not twice, f"{what} used twice: {', '.join(twice)}")
    return backends


class _Discovery(Section):
    """What every kind of discovery has: how far its answers are trusted (`lb.discovery.retention`)."""

    hold: Annotated[Duration, Field(le=LONGEST_HOLD_S)] = 60.0
    """How long a backend that passes its checks stays, at most, when an answer takes away most of those; 0s: no time.
    One minute: ten times what a new backend needs to start and pass."""
    max_loss: Share = 0.5
    """Share of the passing backends that one answer may take away; taking all of them is never followed at once."""


class StaticDiscovery(_Discovery):
    """Backends named in the configuration."""

    kind: Literal["static"]
    backends: Annotated[tuple[BackendEntry, ...], BeforeValidator(split)] = ()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        unique(self.backends)
        return self


class DnsDiscovery(_Discovery):
    """Backends are the addresses of a name, asked for again and again."""

    kind: Literal["dns"]
    name: HostName
    port: Annotated[int, Field(ge=1, le=65535)]
    interval: Interval = 1.0
    timeout: Positive = 2.0
    """An answer that takes longer counts as none, and the known backends stay."""


class FileDiscovery(_Discovery):
    """Backends are listed in a YAML file of their own, read again when it changes."""

    kind: Literal["file"]
    path: Path
    interval: Interval = 1.0


Discovery = StaticDiscovery | DnsDiscovery | FileDiscovery
