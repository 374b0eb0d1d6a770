"""`lab diff`: runs of one plan, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.compare.run_difference import compare_runs, differing
from lab.errors import BadArgumentsError
from tests.support.report_samples import failing, interrupted, passing


def completed(folder: Path) -> Path:
    with (folder / "events.jsonl").open("a") as events:
        events.write(json.dumps({"t": 20.0, "source": "lab", "type": "run_ended"}) + "\n")
    return folder


def test_what_clients_experienced_and_what_was_configured_differently(tmp_path: Path) -> None:
    before, after = completed(passing(tmp_path / "before")), completed(failing(tmp_path / "after"))
    (after / "plan.json").write_text((before / "plan.json").read_text())
    found = compare_runs(before, after)
    rows = {name: (one, other, difference) for name, one, other, difference in found.rows()}
    assert rows["failed"][0] == 0
    assert rows["failed"][2] == rows["failed"][1] > 0
    assert "cpu_us" not in rows, "neither run has it"
    assert json.loads(json.dumps(found.as_document()))["before"] == "before"


def test_each_leaf_that_differs_is_named() -> None:
    one = {"health": {"interval": "500ms", "fall": 2}, "peers": ["a", "b"], "only": 1}
    other = {"health": {"interval": "2s", "fall": 2}, "peers": ["a", "c"], "more": None}
    assert list(differing(one, other)) == [
        ("health.interval", "500ms", "2s"),
        ("peers[1]", "b", "c"),
        ("only", 1, None),
    ]


def test_runs_of_different_plans_are_refused_with_what_differs(tmp_path: Path) -> None:
    before, after = completed(passing(tmp_path / "before")), completed(passing(tmp_path / "after"))
    plan = json.loads((after / "plan.json").read_text())
    (after / "plan.json").write_text(json.dumps(plan | {"seed": plan["seed"] + 1}))
    with pytest.raises(BadArgumentsError, match=r"different plans: seed differ"):
        compare_runs(before, after)


def test_a_run_that_was_not_completed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="was not completed"):
        compare_runs(completed(passing(tmp_path / "before")), interrupted(tmp_path / "after"))
