"""How a response tells which backend gave it: in a header, in a JSON body, in a cookie, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from ..output.json_text import loads
from ..scenario.json_pointer import find_value, parse_pointer

KEPT: Final = 64 * 1024
"""Bytes of a body in which a name is looked for."""
_LONGEST: Final = 256
"""Characters of a name. A longer value is no name."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_FORMS: Final = "header:NAME, json:/POINTER, cookie:NAME or none"


@dataclass(frozen=True, slots=True)
class Identification:
    """Where a response names its backend. `str()` is the form that `parse` reads."""

    kind: str
    """`header`, `json`, `cookie` or `none`."""
    name: str = ""
    """Name of the header or cookie, or the JSON pointer (RFC 6901)."""
    _key: bytes = field(init=False, repr=False, compare=False)
    _pointer: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise ValueError if it is none of the four forms."""
        is_pointer = self.kind == "json"
        valid = bool(_TOKEN.fullmatch(self.name)) if self.kind in {"header", "cookie"} else is_pointer or not self.name
        if self.kind not in {"header", "json", "cookie", "none"} or not valid:
            raise ValueError(f"expected {_FORMS}; got {str(self)!r}")
        object.__setattr__(self, "_key", self.name.lower().encode())
        object.__setattr__(self, "_pointer", parse_pointer(self.name) if is_pointer else ())

    @classmethod
    def parse(cls, text: str) -> Identification:
        """Return the identification of `header:X-Instance`, `json:/host`, `cookie:SERVERID` or `none`.

        Raise ValueError for any other text.
        """
        kind, _, name = text.partition(":")
        return cls(kind, name)

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def is_known(self) -> bool:
        """Whether responses name their backend at all."""
        return self.kind != "none"

    @property
    def keep(self) -> int:
        """Bytes of the body that `read` needs."""
        return KEPT if self.kind == "json" else 0

    def read(self, fields: Mapping[bytes, bytes], cookies: Iterable[str], body: bytes | bytearray) -> str | None:
        """Return the name in a response, or None if it has none.

        `fields` has the header by lower-case name, `cookies` has `name=value` of each cookie that the response sets.
        """
        if self.kind == "header":
            value = fields.get(self._key)
            return None if value is None else _header_name(value)
        if self.kind == "cookie":
            values = (value for name, _, value in (each.partition("=") for each in cookies) if name == self.name)
            return _name(next(values, "").strip('"'))
        return self._read_json(body) if self.kind == "json" else None

    def _read_json(self, body: bytes | bytearray) -> str | None:
        try:
            value = find_value(loads(bytes(body[:KEPT])), self._pointer)
        except (ValueError, LookupError):
            return None
        return _name(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None


@lru_cache(maxsize=1024)
def _header_name(value: bytes) -> str | None:
    """Return the last element: a proxy may list all servers that it tried (nginx's `$upstream_addr`)."""
    return _name(value.decode("latin-1").rpartition(",")[2])


def _name(text: str) -> str | None:
    name = text.strip()
    return name if name and len(name) <= _LONGEST else None


DEFAULT: Final = Identification("header", "X-Instance")
"""The header of the lab's own backends."""
NOT_KNOWN: Final = "the responses do not say which backend gave them"
"""Why a check cannot be made without identification."""
