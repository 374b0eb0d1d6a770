"""Parses and formats values with units: `500ms`, `20%`, `32KiB`, `127.0.0.1:8080`.

A bare number is refused wherever a unit is possible: `interval: 500` has been read as seconds and as milliseconds.
docs/interfaces.md describes the grammar, and `tests/support/unit_grammar.py` compares it with that of chaos and lab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import NamedTuple

_NUMBER = r"(\d{1,15}(?:\.\d{1,15})?)"
"""A number with a limited number of digits, so that parsing is fast and the result is never infinite."""
_QUANTITY = re.compile(rf"{_NUMBER}\s*([A-Za-z%]+)", re.ASCII)
_SECONDS = {"h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_FRACTIONS = {"%": 0.01}
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")

_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_MAX_NAME = 253


def _read(value: object, units: Mapping[str, float]) -> float | None:
    """Return the value in the base unit; None if it is not a number with one of the units."""
    match = _QUANTITY.fullmatch(str(value).strip())
    if match is None or match[2] not in units:
        return None
    return round(float(match[1]) * units[match[2]], 12)  # 57 × 0.01 is not 0.57


def _refuse_bare(value: object, suggestion: str) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit: write {suggestion}")


def duration(value: object) -> float:
    """Return the seconds of a duration such as `500ms`, `2s`, `1.5m` or `1h`. Raise ValueError."""
    _refuse_bare(value, f"{value}ms or {value}s")
    seconds = _read(value, _SECONDS)
    if seconds is None:
        raise ValueError(f"{str(value)[:80]!r} is not a duration such as 500ms, 2s, 1.5m or 1h")
    return seconds


def positive_duration(value: object) -> float:
    """Return the seconds of a duration above zero. Raise ValueError."""
    seconds = duration(value)
    if seconds == 0:
        raise ValueError(f"{str(value)!r} must be above zero")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a short and exact text: `250ms` for 0.25, `90s` for 90, `1h` for 3600."""
    if seconds >= 60:
        for unit in ("h", "m"):
            if seconds % _SECONDS[unit] == 0:
                return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    unit = "s" if seconds >= 1 or seconds == 0 else "ms" if seconds >= 1e-3 else "us"
    return f"{_plain(seconds / _SECONDS[unit])}{unit}"


def share(value: object) -> float:
    """Return the fraction of a percentage such as `20%`. Raise ValueError."""
    if isinstance(value, int | float):
        _refuse_bare(value, f"{_plain(value * 100 if value <= 1 else value)}%")
    fraction = _read(value, _FRACTIONS)
    if fraction is None or fraction > 1:
        raise ValueError(f"{str(value)[:80]!r} is not a share such as 20% (0% to 100%)")
    return fraction


def format_share(fraction: float) -> str:
    """Return the percentage as text: `20%` for 0.2."""
    return f"{_plain(fraction * 100)}%"


def size(value: object) -> int:
    """Return the bytes of a size such as `512B`, `32KiB`, `1.5MiB` or `1GiB`. Raise ValueError."""
    _refuse_bare(value, f"{value}B or {value}KiB")
    count = _read(value, _BYTES)
    if count is None or not count.is_integer():
        raise ValueError(f"{str(value)[:80]!r} is not a size such as 512B, 32KiB, 1MiB or 1GiB")
    return int(count)


def positive_size(value: object) -> int:
    """Return the bytes of a size above zero. Raise ValueError."""
    count = size(value)
    if count == 0:
        raise ValueError(f"{str(value)!r} must be above zero")
    return count


def format_size(count: int) -> str:
    """Return the size as text: `32KiB` for 32768."""
    if not count:
        return "0B"
    unit = next(unit for unit, factor in _BYTES.items() if count % factor == 0)
    return f"{count // _BYTES[unit]}{unit}"


class Address(NamedTuple):
    """Address of a listener or a backend."""

    host: str
    """Host name or IP address. An IPv6 address has no brackets."""
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(value: object) -> Address:
    """Parse `host:port`. Raise ValueError."""
    match = _ADDRESS.fullmatch(str(value))
    if match is None or int(match[2]) > 65535 or not _is_host(match[1]):
        raise ValueError(f"{str(value)[:80]!r} is not an address such as 127.0.0.1:8080 or [::1]:8080")
    return Address(match[1].strip("[]"), int(match[2]))


def is_host_name(name: str) -> bool:
    """Return whether the resolver accepts the name (RFC 1035 §2.3.4).

    `getaddrinfo` raises `UnicodeError`, not `OSError`, for a label that is empty or longer than 63 characters.
    """
    labels = name.removesuffix(".").split(".")
    return len(name) <= _MAX_NAME and all(_LABEL.fullmatch(label) for label in labels)


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return is_host_name(host)
    try:
        IPv6Address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _plain(number: float) -> str:
    """Return the number with twelve significant digits, which hide binary rounding (0.3 × 100), without an exponent."""
    return f"{number:.9f}".rstrip("0").rstrip(".") if number < 1e12 else f"{number:.0f}"
