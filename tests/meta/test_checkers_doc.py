"""The table of checkers in docs/scenarios.md is what the checkers themselves say."""

from __future__ import annotations

from pathlib import Path

from lab.judge.checkers.registry import CHECKERS

DOCS = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_table_lists_every_checker_with_its_conditions() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text.split("| check | fails when | is unknown when |\n| --- | --- | --- |\n")[1].split("\n\n")[0]
    rows = [f"| `{each.NAME}` | {each.FAILS_WHEN} | {each.UNKNOWN_WHEN}".rstrip() + " |" for each in CHECKERS]
    assert table.splitlines() == rows
