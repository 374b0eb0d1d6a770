"""Sets of HTTP statuses as they are written in files: `200`, `2xx`, or a list of both."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_STATUS = re.compile(r"[2-5](?:\d\d|xx)", re.ASCII)
SUCCESS = frozenset(range(200, 400))
"""Statuses that are good unless something else is asked for."""


def parse_statuses(value: Any) -> tuple[str, ...]:
    """Return `("200", "2xx")` for `[200, 2xx]`. Raise ValueError if one is no final status (RFC 9110 §15)."""
    found = tuple(str(each).lower() for each in (value if isinstance(value, list) else [value]))
    if not found or not all(_STATUS.fullmatch(each) for each in found):
        raise ValueError("expected a status from 200 to 599, a class such as 2xx, or a list of them")
    return found


def accepted(statuses: Iterable[str]) -> frozenset[int]:
    """Return every status code that these statuses and classes stand for; all below 400 if there are none."""
    found: set[int] = set()
    for each in statuses:
        first = int(each[0]) * 100
        found |= {*range(first, first + 100)} if each.endswith("xx") else {int(each)}
    return frozenset(found) or SUCCESS
