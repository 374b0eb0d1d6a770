"""The paragraph of a gate: what is worse, by how much, how sure, and what has changed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lab.compare.document import OWN, Comparison, Result
from lab.compare.measures import Measures
from lab.gate.decision import decide
from lab.gate.result_files import write_results
from lab.gate.wording import Told, probability
from tests.unit.lab.gate.test_gate_decision import cell


def told(
    after: dict[str, dict[str, list[float]]], results: tuple[Result, ...] = (), changes: tuple[str, ...] = ()
) -> Told:
    """A gate of `prod.cfg` whose baseline has six calm runs in each scenario."""
    good = cell(failed=[0, 0, 1, 1, 0, 0])
    before = {("prod.cfg", scenario): good for scenario in after}
    decision = decide(before, {("prod.cfg", scenario): runs for scenario, runs in after.items()})
    comparison = Comparison(7, "mixed", "2 CPUs", "2026-11-27T10:00:00+00:00", results=list(results))
    return Told(decision, "2026-11-20T12:00:00+00:00", False, comparison, changes)


def test_each_measure_that_is_worse_is_told_with_its_interval() -> None:
    worse = cell(failed=[31, 32, 33, 30, 31, 32], reroute_s=[1.1, 1.2, 1.0, 1.1, 1.2, 1.3])
    found = told({"kill": cell(failed=[0] * 6), "pause": worse}, changes=("prod.cfg has changed since then.",))
    assert found.paragraph() == (
        "prod.cfg is worse than the baseline of 2026-11-20: in pause it loses 31 more requests (30 to 32, p = 0.011) "
        "and reroutes 1.05 s later (0.90 s to 1.20 s, p = 0.011). Basis: 6 runs against 6, p is corrected for "
        "10 comparisons. prod.cfg has changed since then."
    )


def test_a_pass_says_what_was_compared() -> None:
    found = told({"kill": cell(failed=[0] * 6), "pause": cell(failed=[1] * 7)})
    assert found.paragraph() == (
        "prod.cfg is not significantly worse than the baseline of 2026-11-20 in kill and pause (10 comparisons of 6 "
        "runs with 6)."
    )


def test_runs_that_do_not_count_are_told() -> None:
    run = Measures(1600, 0, 0, 0)
    busy = Result("prod.cfg", OWN, "pause", 0, "ok", measures=run, host_busy_s=2.0)
    spoiled = Result("prod.cfg", OWN, "pause", 1, "spoiled", "generator lag: late", measures=run)
    found = told({"pause": cell(failed=[0] * 2)}, (busy, busy, spoiled)).paragraph()
    assert found == (
        "prod.cfg in pause cannot be judged: 2 runs count, and 4 are needed; run the gate again on a quieter machine, "
        "or with a larger --repeat. 3 runs do not count (in 2 the host was busy for more than 0.5 s; "
        "pause: spoiled: generator lag: late)."
    )


def test_what_never_happens_any_more_is_told_in_words() -> None:
    found = told({"kill": cell(readmit_s=[math.inf] * 6)}).paragraph()
    assert "in kill it does not take the backend back (p = 0.0054)" in found


@pytest.mark.parametrize(
    ("p", "text"), [(0.0001, "<0.001"), (0.0054, "0.0054"), (0.04, "0.04"), (0.5, "0.5"), (1.0, "1.0")]
)
def test_probabilities_have_two_digits(p: float, text: str) -> None:
    assert probability(p) == text


def test_the_files_have_the_same_result_and_foreign_text_is_inert(tmp_path: Path) -> None:
    found = told({"pause": cell(slow=[90] * 6)}, changes=("<script>alert(1)</script> | *x*",))
    write_results(found, tmp_path)
    page, table, document = ((tmp_path / name).read_text() for name in ("gate.html", "gate.md", "gate.json"))
    assert '<span class="verdict">fail</span>' in page
    assert page.count('class="strip"') == 5
    assert "<script" not in page
    assert "<script" not in table
    assert "### Gate: fail" in table
    assert "| pause | prod.cfg | Slow | 0 | 90 | +90 (+90 to +90) |" in table
    assert '"verdict": "fail"' in document
