"""Parse values of the balancer's live configuration as a run recorded it (`GET /config`): strings with units."""

from __future__ import annotations

import re
from typing import Any

_SECONDS_PER = {"us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([\d.]+)(us|ms|s|m|h)")


def seconds(text: str, key: str) -> float:
    """Return the seconds of a duration such as `400ms`, `10s` or `1m30s`. Raise ValueError, naming `key`, otherwise."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"the balancer's {key} is {text!r}, expected a duration such as 10s")
    return sum(float(number) * _SECONDS_PER[unit] for number, unit in parts)


def share(value: Any) -> float:
    """Return the fraction that a number or a string such as `20%` means. Raise ValueError for anything else."""
    return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)
