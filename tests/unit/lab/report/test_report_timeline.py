"""The chart's parts: scales, bins, labels that must not collide, health strips, and the drawing as a whole."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence.events import Event, Events
from lab.evidence.history import Outcome, Request
from lab.report.run_files import Run, load
from lab.report.timeline.bins import binned, thinned
from lab.report.timeline.chart import timeline
from lab.report.timeline.health import health_spans
from lab.report.timeline.moments import Moment, moments, place_labels
from lab.report.timeline.panels import backends
from lab.report.timeline.scale import Linear, Log, decades, round_step
from lab.report.timeline.svg import element
from tests.support import report_samples as samples
from tests.support.lab_records import whole_request

SVG = "{http://www.w3.org/2000/svg}"


def drawn(folder: Path) -> ElementTree.Element:
    markup = timeline(load(folder)).replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1)
    return ElementTree.fromstring(markup)


def uses(root: ElementTree.Element, look: str) -> list[ElementTree.Element]:
    return [use for use in root.iter(f"{SVG}use") if use.get("href") == f"#mark-{look}"]


@given(st.floats(1e-6, 1e6))
def test_a_round_step_is_the_next_of_one_two_or_five(least: float) -> None:
    step = round_step(least)
    assert least * (1 - 1e-6) <= step <= least * 2.5 * (1 + 1e-6)
    assert f"{step:e}"[0] in "125"


def test_ticks_are_round_and_inside() -> None:
    assert Linear(0.0, 9.7, 0.0, 100.0).ticks(10) == [float(t) for t in range(10)]
    assert Linear(2.93, 3.31, 0.0, 100.0).ticks(5) == [3.0, 3.1, 3.2, 3.3]


def test_a_log_axis_spans_whole_decades_and_draws_what_lies_outside_at_its_edge() -> None:
    assert decades([0.0031, 1.2], 1e-4, 100.0) == (0.001, 10.0)
    y = Log(0.001, 10.0, 400.0, 0.0)
    assert y(0.1) == pytest.approx(200.0)
    assert y(1e-9) == 400.0
    assert y(1e9) == 0.0


def test_the_threshold_is_on_the_axis_even_when_every_answer_is_far_below_it() -> None:
    run = Run(requests=[whole_request(1, 0.5, 0.5, "GET", "/", outcome=Outcome.OK, ended=0.502)])
    assert ">1 s</text>" in timeline(run), "250 ms must not be drawn at the edge of an axis that ends at 10 ms"


def test_constant_traffic_fills_every_bin_equally() -> None:
    """Due times on a bin's edge must not wander into its neighbour by floating point: the bars would ripple."""
    run = Run(requests=[Request(n, n / 200, n / 200, "GET", "/") for n in range(2000)])
    assert {each.total for each in binned(run, 0.0, 10.0, 0.1)} == {20}


def test_a_gap_in_the_traffic_shows_as_empty_bins() -> None:
    run = Run(requests=[Request(1, 0.0, 0.0, "GET", "/"), Request(2, 0.95, 0.95, "GET", "/")])
    assert [each.total for each in binned(run, 0.0, 1.0, 0.1)] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_percentiles_are_nearest_rank() -> None:
    requests = [whole_request(n, 0.0, 0.0, "GET", "/", outcome=Outcome.OK, ended=n / 1000) for n in range(1, 101)]
    (only,) = binned(Run(requests=requests), 0.0, 1.0, 1.0)
    assert only.percentile(0.5) == pytest.approx(0.051)
    assert only.percentile(0.99) == pytest.approx(0.100)


def test_thinning_keeps_one_point_of_each_cell() -> None:
    assert thinned([(0.1, 0.1), (0.2, 0.3), (1.4, 0.1)], lambda point: point, 1.0) == [(0.1, 0.1), (1.4, 0.1)]


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=12))
def test_no_label_overlaps_another_nor_a_line_that_passes_through_its_row(times: list[float]) -> None:
    placed = place_labels([Moment(t, "healed", "healed 7.00 s") for t in sorted(times)], lambda m: m.t, lambda _: 90.0)
    for earlier, later in ((a, b) for i, a in enumerate(placed) for b in placed[i + 1 :]):
        if earlier.row <= later.row:
            assert earlier.t + 90.0 <= later.t


def test_the_marks_are_the_ones_that_the_verdict_is_about(tmp_path: Path) -> None:
    found = [(round(m.t, 2), m.kind) for m in moments(load(samples.passing(tmp_path)))]
    assert found == [
        (3.0, "injected"),
        (3.08, "rerouted"),
        (4.52, "bound"),
        (7.0, "healed"),
        (7.61, "readmitted"),
        (7.95, "readmit-bound"),
    ]


def test_standing_has_no_gap_and_shows_suspicion(tmp_path: Path) -> None:
    held = health_spans(load(samples.passing(tmp_path)), "api-2", 10.0)
    assert [s.state for s in held] == ["unknown", "up", "suspected", "down", "up"][-len(held) :]
    assert all(before.end == after.start for before, after in pairwise(held))
    assert held[-1].end == 10.0


def test_a_backend_that_was_already_up_when_recording_began_is_drawn_from_the_start() -> None:
    event = Event(4.0, "lb", "transition", {"backend": "a", "old": "up", "new": "down", "reason": "2 probes failed"})
    up, down = health_spans(Run(events=Events((event,))), "a", 9.0)
    assert (up.state, up.start, up.end) == ("up", 0.0, 4.0)
    assert (down.state, down.reason) == ("down", "2 probes failed")


def test_a_backend_that_no_event_names_shows_no_standing_at_all() -> None:
    assert health_spans(Run(), "a", 9.0) == []


def test_the_snapshot_at_the_start_counts_although_nothing_changes_later() -> None:
    snapshot = Event(0.0, "lab", "backends", {"backends": [{"id": "a", "name": "a", "state": "up"}]})
    assert [(s.state, s.start, s.end) for s in health_spans(Run(events=Events((snapshot,))), "a", 9.0)] == [
        ("up", 0, 9)
    ]


def test_a_replica_that_returns_under_another_id_is_not_removed_when_the_old_one_has_drained_out() -> None:
    told = [
        Event(0.0, "lab", "backends", {"backends": [{"id": "10.0.0.2", "state": "up"}]}),
        Event(3.0, "lb", "transition", {"backend": "10.0.0.2", "old": "up", "new": "drain", "reason": "left DNS"}),
        Event(5.0, "lb", "added", {"backend": "10.0.0.9"}),
        Event(5.1, "lb", "transition", {"backend": "10.0.0.9", "old": "unknown", "new": "up", "reason": "probe"}),
        Event(6.0, "lb", "removed", {"backend": "10.0.0.2"}),
        Event(8.0, "lb", "removed", {"backend": "10.0.0.9"}),
    ]
    run = Run(events=Events(tuple(told)), names={"10.0.0.2": "api-1", "10.0.0.9": "api-1"})
    held = [(s.state, s.start) for s in health_spans(run, "api-1", 9.0)]
    assert held == [("up", 0.0), ("drain", 3.0), ("unknown", 5.0), ("up", 5.1), ("removed", 8.0)]


def test_every_bad_request_is_drawn_in_its_lane_and_by_its_latency(tmp_path: Path) -> None:
    run = load(samples.failing(tmp_path))
    counts = Counter(run.classify(r).value for r in run.requests)
    root = drawn(tmp_path)
    for look in ("slow", "unknown", "failed"):
        assert counts[look] > 20
        assert len(uses(root, look)) == 2 * counts[look]


def test_a_request_that_left_a_backend_is_marked_there(tmp_path: Path) -> None:
    """Four requests met the paused backend and were answered by a neighbour: that is what the lab is about."""
    run = load(samples.passing(tmp_path))
    assert len(uses(drawn(tmp_path), "left")) == sum(bool(run.also_tried(r)) for r in run.requests) > 0


def test_lanes_are_the_backends_and_one_for_requests_that_none_is_known_to_have_seen(tmp_path: Path) -> None:
    assert backends(load(samples.passing(tmp_path / "whole"))) == ["api-1", "api-2", "api-3"]
    assert backends(load(samples.torn(tmp_path / "torn"))) == ["api-1", "api-2", "api-3", ""]


def test_the_fault_band_spans_the_fault(tmp_path: Path) -> None:
    root = drawn(samples.passing(tmp_path))
    left, right = float(root.attrib["data-left"]), float(root.attrib["data-right"])
    per_s = (right - left) / (float(root.attrib["data-end"]) - float(root.attrib["data-start"]))
    (band,) = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "fault"]
    # Coordinates are rounded to a hundredth of a pixel.
    assert float(band.attrib["x"]) == pytest.approx(left + 3.0 * per_s, abs=0.01)
    assert float(band.attrib["width"]) == pytest.approx(4.0 * per_s, abs=0.02)


def test_what_a_backend_says_cannot_become_markup(tmp_path: Path) -> None:
    history, events = samples.pausing_run()
    for line in history:
        if line.get("backend") == "api-1":
            line["backend"] = line["instance"] = '<script>"&'
    run_dir = samples.write_run(tmp_path, history, events, None)
    assert "<script>" not in timeline(load(run_dir))
    assert drawn(run_dir) is not None


def test_an_attribute_cannot_be_left_by_a_quote() -> None:
    assert element("rect", class_='up" onload="x') == '<rect class="up&quot; onload=&quot;x"/>'


def test_a_run_without_requests_is_an_empty_chart_not_a_crash() -> None:
    assert "<svg" in timeline(Run())
