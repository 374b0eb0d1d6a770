"""`compare.json`: every run and every row of a comparison (docs/peers.md describes the fields)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import BadArgumentsError
from .client_costs import Measures

SCHEMA = 1
OWN = "own"
"""The settings of a balancer that somebody brought along; its name says so already."""
FILE = "compare.json"
NAMES = tuple(each.name for each in fields(Measures))


def label(balancer: str, settings: str) -> str:
    """A balancer with its settings, as people read it."""
    return balancer if settings == OWN else f"{balancer} {settings}"


@dataclass(frozen=True, slots=True)
class Result:
    """One balancer in one scenario, once."""

    balancer: str
    settings: str
    scenario: str
    repeat: int
    status: str
    """`ok` · `died` (in mid-run) · `missing` · `rejected` · `failed` (did not start, or the lab failed) · `spoiled`."""
    reason: str = ""
    next_step: str = ""
    details: tuple[str, ...] = ()
    """The program's own words."""
    folder: str = ""
    measures: Measures | None = None

    @property
    def counts(self) -> bool:
        """Whether its numbers are evidence about the balancer."""
        return self.measures is not None and self.status in {"ok", "died"}


@dataclass(frozen=True, slots=True)
class Spread:
    """A measure over the repeats; all None where none of them has it."""

    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    balancer: str
    settings: str
    scenario: str
    runs: int
    spreads: dict[str, Spread]
    remarks: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """Everything that a report of it needs."""

    seed: int
    mix: str
    machine: str
    made: str
    runtime: str = "local"
    versions: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    quirks: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    tunings: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """By name of a balancer with files of its own: SHA-256 of these, so that two contents never share a row."""
    results: list[Result] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """By scenario, then settings, then balancer, each in the order in which it first came."""
        scenarios = _order(result.scenario for result in self.results)
        settings = _order(result.settings for result in self.results)
        balancers = _order(result.balancer for result in self.results)
        groups: dict[tuple[str, str, str], list[Result]] = {}
        for result in self.results:
            groups.setdefault((result.scenario, result.settings, result.balancer), []).append(result)
        keys = sorted(groups, key=lambda k: (scenarios[k[0]], settings[k[1]], balancers[k[2]]))
        return [_row(groups[key]) for key in keys]

    def write(self, folder: Path) -> None:
        """`compare.json`, rows included, so that a program need not compute them."""
        text = json.dumps(as_document(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def as_document(comparison: Comparison) -> dict[str, Any]:
    """What `compare.json` holds."""
    rows = [asdict(row) for row in comparison.rows()]
    return {"schema": SCHEMA, **asdict(comparison), "rows": rows}


def read(folder: Path) -> Comparison:
    """Raises `BadArgumentsError` where the folder holds no comparison of this schema."""
    try:
        raw: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if raw.pop("schema") != SCHEMA:
            raise ValueError(f"not of schema {SCHEMA}")
        raw.pop("rows")
        results = [_result(each) for each in raw.pop("results")]
        return Comparison(**raw, results=results)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadArgumentsError(f"{folder / FILE} is not a comparison: {error}") from error


def _result(raw: dict[str, Any]) -> Result:
    measures = raw.pop("measures")
    return Result(**{**raw, "details": tuple(raw["details"])}, measures=Measures(**measures) if measures else None)


def _row(results: list[Result]) -> Row:
    first, counted = results[0], [result.measures for result in results if result.counts and result.measures]
    spreads = {name: _spread([getattr(each, name) for each in counted]) for name in NAMES}
    remarks = _order(f"{each.status}: {each.reason}" for each in results if each.status != "ok")
    return Row(first.balancer, first.settings, first.scenario, len(counted), spreads, tuple(remarks))


def _spread(values: list[float | None]) -> Spread:
    """A run in which something did not happen at all (never readmitted) makes the worst case open: `high` is None."""
    known = [value for value in values if value is not None]
    if not known:
        return Spread(None, None, None)
    # What did not happen sorts last: a median among those is None, too.
    ordered = sorted(known) + [None] * (len(values) - len(known))
    middle = ordered[len(ordered) // 2] if len(ordered) % 2 else _between(ordered)
    return Spread(middle, min(known), max(known) if len(known) == len(values) else None)


def _between(ordered: list[float | None]) -> float | None:
    low, high = ordered[len(ordered) // 2 - 1], ordered[len(ordered) // 2]
    return None if low is None or high is None else statistics.mean((low, high))


def _order(words: Iterable[str]) -> dict[str, int]:
    order: dict[str, int] = {}
    for word in words:
        order.setdefault(word, len(order))
    return order
