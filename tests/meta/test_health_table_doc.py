"""docs/health.md shows the health machine and the default bounds as the code has them.

When this fails because the code was changed on purpose, put the drawn table (in the assertion) into the document.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lb.core.backend import State
from lb.core.bounds import bounds
from lb.core.health import TABLE, Cause
from lb.core.settings import Settings

DOC = Path(__file__).resolve().parent.parent.parent / "docs" / "health.md"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def drawn_states() -> str:
    lines = [row("", *(cause.value for cause in Cause)), "|---" * (len(Cause) + 1) + "|"]
    for state in State:
        moves = TABLE[state]
        cells = (moves[cause].value.upper() if cause in moves else "·" for cause in Cause)
        lines.append(row(f"**{state.value.upper()}**", *cells))
    return "\n".join(lines)


def drawn_bounds() -> str:
    lines = [row("fault", "reroute", "with traffic", "readmit", "when"), "|---" * 5 + "|"]
    for bound in bounds(Settings()):
        times = (bound.reroute_s, bound.reroute_traffic_s, bound.readmit_s)
        cells = ("–" if seconds is None else f"{seconds:.2f} s" for seconds in times)
        lines.append(row(bound.fault, *cells, bound.condition))
    return "\n".join(lines)


def table_in_doc(first_cell: str) -> str:
    lines = DOC.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_cell} |"))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append(line)
    return "\n".join(table)


@pytest.mark.parametrize(("first_cell", "drawn"), [("", drawn_states()), ("fault", drawn_bounds())])
def test_the_table_in_the_document_is_the_one_in_the_code(first_cell: str, drawn: str) -> None:
    assert table_in_doc(first_cell) == drawn


def test_the_document_gives_the_formulae_of_the_code() -> None:
    text = DOC.read_text()
    for bound in bounds(Settings()):
        for part in bound.formula.split(" · "):
            assert part in text, bound.fault
