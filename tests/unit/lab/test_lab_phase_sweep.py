"""A sweep: where faults are moved to, where they took effect, and how that is shown."""

from __future__ import annotations

import json
import re

import pytest

from lab.errors import BadArgumentsError
from lab.evidence.events import Event
from lab.evidence.verdict import Verdict
from lab.judge.judge import judge
from lab.phase_sweep import Point, Sweep, plans, points
from lab.phase_sweep.page import page
from tests.support.lab_plans import plan, step
from tests.support.lab_records import INJECTED, fault_event, request, run, via

INTERVAL_S = 0.5


def sweep(*found: Point) -> Sweep:
    return Sweep("pause <b>", "local", 1, INTERVAL_S, found)


def point(wanted: float, reroute_s: float | None, bound_s: float | None = 1.4) -> Point:
    return Point("r", wanted, wanted + 0.01, "pause", reroute_s, bound_s, Verdict.PASS, traffic_bound_s=0.89)


def test_every_fault_of_the_plan_moves_and_acts_stay() -> None:
    base = plan(steps=(step(), step(fault="", act="drain")))
    moved = plans(base, 4)
    assert [each.steps[0].phase for each in moved] == [0.0, 0.25, 0.5, 0.75]
    assert all(each.steps[1] == base.steps[1] for each in moved)
    with pytest.raises(BadArgumentsError, match="no fault"):
        plans(plan(steps=(step(fault="", act="drain"),)), 4)


def test_the_phase_is_measured_from_the_targets_own_last_check() -> None:
    wanted = plans(plan(), 8)[1]
    probes = [Event(INJECTED - ago_s, "lb", "probed", {"backend": backend, "passed": True})
              for ago_s, backend in ((0.6, "api-1"), (0.1, "api-1"), (0.02, "api-2"), (-0.3, "api-1"))]  # fmt: skip
    facts = [fault_event(), request(INJECTED + 0.2, **via("api-1", "api-2")), *probes]
    record = run(*facts, wanted=wanted)
    [found] = points(wanted, record, judge(record), INTERVAL_S)
    assert (found.wanted, found.phase) == (0.125, pytest.approx(0.2))
    assert found.reroute_s == pytest.approx(0.2)
    assert found.within is True


def test_without_checks_there_is_no_phase_and_without_a_bound_no_comparison() -> None:
    wanted = plans(plan(), 2)[0]
    record = run(fault_event(), wanted=wanted)
    [found] = points(wanted, record, judge(record), INTERVAL_S)
    assert found.phase is None
    assert point(0.0, 0.2, None).within is None
    assert point(0.0, 2.0).within is False


def test_the_page_shows_every_point_the_bound_and_what_broke_it_and_escapes() -> None:
    shown = page(sweep(point(0.0, 0.1), point(0.5, 2.0), point(0.75, None)))
    assert shown.count("<circle") == 2
    assert shown.count('class="point beyond"') == 1
    assert "bound 1.400 s" in shown
    assert "with traffic 0.890 s" in shown
    assert "<b>" not in shown
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", shown)


def test_a_page_of_nothing_is_still_a_page() -> None:
    assert "</html>" in page(sweep(point(0.0, None, None)))


def test_the_verdict_is_the_worst_and_the_document_says_so() -> None:
    found = sweep(point(0.0, 0.1), Point("r", 0.5, 0.5, "pause", 2.0, 1.4, Verdict.FAIL))
    assert json.loads(found.to_json())["verdict"] == "fail"
    assert len(json.loads(found.to_json())["points"]) == 2
