"""`compare.json`: every run and every row of a comparison (docs/peers.md describes the fields)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import BadArgumentsError
from .measures import Measures
from .spread import Spread, spread

SCHEMA = 1
OWN = "own"
"""The settings column of a user's own balancer; `label` omits it."""
FILE = "compare.json"
NAMES = tuple(each.name for each in fields(Measures))


def label(balancer: str, settings: str) -> str:
    """Return the text by which people identify a balancer with its settings."""
    return balancer if settings == OWN else f"{balancer} {settings}"


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one balancer in one scenario."""

    balancer: str
    settings: str
    scenario: str
    repeat: int
    status: str
    """`ok` · `died` (during the run) · `missing` · `rejected` · `failed` (did not start, or lab failed) · `spoiled`."""
    reason: str = ""
    next_step: str = ""
    details: tuple[str, ...] = ()
    """Lines of the program's log or error output."""
    folder: str = ""
    measures: Measures | None = None
    host_busy_s: float = 0.0
    """Seconds of the run in which the host stalled or had no spare CPU."""

    @property
    def counts(self) -> bool:
        """Whether its measures are used in the table."""
        return self.measures is not None and self.status in {"ok", "died"}


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
    """A whole comparison, with everything that its reports need."""

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
    """Name of a user's balancer → SHA-256 of its files, so that files with different contents never share a row."""
    baseline: str = ""
    """Label of the entry with which the others are compared; empty: differences are not computed."""
    results: list[Result] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Return the rows ordered by scenario, settings and balancer, each in order of first appearance."""
        scenarios = _order(result.scenario for result in self.results)
        settings = _order(result.settings for result in self.results)
        balancers = _order(result.balancer for result in self.results)
        groups: dict[tuple[str, str, str], list[Result]] = {}
        for result in self.results:
            groups.setdefault((result.scenario, result.settings, result.balancer), []).append(result)
        keys = sorted(groups, key=lambda k: (scenarios[k[0]], settings[k[1]], balancers[k[2]]))
        return [_row(groups[key]) for key in keys]

    def write(self, folder: Path) -> None:
        """Write `compare.json`, including the computed rows."""
        text = json.dumps(as_document(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def as_document(comparison: Comparison) -> dict[str, Any]:
    """Return the content of `compare.json`."""
    rows = [asdict(row) for row in comparison.rows()]
    return {"schema": SCHEMA, **asdict(comparison), "rows": rows}


def read(folder: Path) -> Comparison:
    """Return the comparison in a folder. Raise `BadArgumentsError` if there is none of this schema."""
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
    spreads = {name: spread([getattr(each, name) for each in counted]) for name in NAMES}
    remarks = _order(f"{each.status}: {each.reason}" for each in results if each.status != "ok")
    return Row(first.balancer, first.settings, first.scenario, len(counted), spreads, tuple(remarks))


def _order(words: Iterable[str]) -> dict[str, int]:
    order: dict[str, int] = {}
    for word in words:
        order.setdefault(word, len(order))
    return order
