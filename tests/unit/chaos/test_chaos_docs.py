"""docs/faults.md against the code: every fault, and every parameter of it, is in the table."""

from __future__ import annotations

import re
from pathlib import Path

from chaos.faults import FAULTS

ROWS = re.findall(
    r"^\| `(\w+)` \| ([^|]*) \|.*\| (process|shape|cut|cpu|memory|app) \|",
    (Path(__file__).resolve().parents[3] / "docs/faults.md").read_text(),
    re.MULTILINE,
)


def test_the_table_lists_exactly_the_faults_that_exist() -> None:
    assert [kind for kind, _, _ in ROWS] == list(FAULTS)


def test_with_their_parameters_and_layers() -> None:
    for kind, params, layer in ROWS:
        assert set(re.findall(r"`(\w+)`", params)) == set(FAULTS[kind].params.model_fields), kind
        assert FAULTS[kind].layer.value == layer
