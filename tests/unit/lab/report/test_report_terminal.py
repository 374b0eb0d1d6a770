"""What the terminal shows: the live view fed by hand, and the summary afterwards."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from lab.evidence.events import Event
from lab.evidence.progress import TrafficCounts
from lab.evidence.verdict import Check, RequestCounts, RunVerdict, Verdict, Work
from lab.report.live import LineView, PanelView, View, panel, view
from lab.report.live_state import RECENT, LiveState
from lab.report.summary import JudgedRun, markdown, summary
from lab.services.endpoints import Endpoints
from tests.support import report_samples as samples

ENDPOINTS = Endpoints("http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "t", "local")
INJECTED = Event(
    3.0, "chaos", "fault_injected", {"fault": {"id": "f1", "kind": "pause", "target": "api-2", "duration_s": 4.0}}
)
HEALED = Event(7.0, "chaos", "fault_healed", {"fault": {"id": "f1", "kind": "pause", "target": "api-2"}})
DOWN = Event(3.9, "lb", "transition", {"backend": "api-2", "old": "up", "new": "down", "reason": "2 probes failed"})
PROBED = Event(3.9, "lb", "probed", {"backend": "api-2", "passed": False, "took": 0.4})


def state() -> LiveState:
    return LiveState.of("run-1", samples.plan(200.0))


def plain(runs: list[JudgedRun]) -> str:
    """The summary as text without colour or control codes, wide enough that nothing wraps."""
    return drawn(runs, 140)


def judged(word: str = "pass", checks: list[Check] = samples.PASSING_CHECKS) -> JudgedRun:
    history, _ = samples.pausing_run(rate=20.0)
    return JudgedRun(samples.verdict(history, word, checks, 0.08, 0.61), Path("results/run-1"))


def shown(live: LiveState, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(panel(live))
    return captured.get()


def recorded(kind: type[View], terminal: bool) -> tuple[View, io.StringIO]:
    out = io.StringIO()
    return kind(Console(file=out, width=100, force_terminal=terminal)), out  # type: ignore[call-arg]  # both views take it


def test_the_rate_is_that_of_the_last_second() -> None:
    live = state()
    for quarter in range(1, 13):
        sent = 50 * quarter if quarter <= 8 else 400 + 10 * (quarter - 8)
        live.count(quarter / 4, TrafficCounts(sent=sent))
    assert live.rate == pytest.approx(40.0)


def test_time_left_counts_down_and_never_below_zero() -> None:
    live = state()
    live.count(3.0, TrafficCounts())
    assert live.left_s == pytest.approx(5.0)
    live.count(60.0, TrafficCounts())
    assert live.left_s == 0.0


def test_a_fault_is_active_until_it_heals() -> None:
    live = state()
    live.note(INJECTED)
    live.count(4.5, TrafficCounts())
    assert "pause on api-2, 2.5 s left" in shown(live)
    live.note(HEALED)
    assert "no fault is active" in shown(live)


def test_a_backends_state_is_a_word_not_only_a_colour() -> None:
    live = state()
    live.note(Event(0.0, "lab", "backends", {"backends": [{"id": "api-2", "name": "api-2", "state": "up"}]}))
    assert "api-2 up" in shown(live)
    live.note(Event(3.1, "lb", "suspected", {"backend": "api-2", "waited": 0.1, "threshold": 0.05}))
    assert "api-2 suspected" in shown(live)
    live.note(DOWN)
    assert "api-2 down" in shown(live)


def test_a_backend_goes_by_its_targets_name() -> None:
    live = state()
    live.note(Event(0.0, "lab", "backends", {"backends": [{"id": "10.0.0.7", "name": "4f2c", "state": "up"}]}))
    live.note(Event(0.0, "lab", "targets", {"targets": {"api-1": {"instance": "4f2c", "backends": ["10.0.0.7"]}}}))
    assert "api-1 up" in shown(live)


def test_a_late_generator_is_told_from_where_on_it_spoils_the_run() -> None:
    live = state()
    live.count(4.0, TrafficCounts(sent=10, lag_max_s=0.004))
    assert "late" not in shown(live)
    live.count(4.25, TrafficCounts(sent=20, lag_max_s=0.0062))
    assert "sent 6.2 ms late" in shown(live)


def test_eighty_columns_show_every_count_and_what_is_going_on() -> None:
    live = state()
    live.enter(7.0, "settle", None)
    live.count(7.5, TrafficCounts(12_345, 12_000, 123, 45, 177, 12))
    said = shown(live, 80)
    assert "…" not in said
    assert "faults are healed; waiting until all backends are readmitted" in said
    assert "12 in flight" in said


def test_probes_are_not_news() -> None:
    assert state().note(PROBED) == ""
    assert state().note(DOWN) == "api-2 is down (2 probes failed)"


def test_the_panel_keeps_its_height_whatever_happens() -> None:
    """A panel that grows by a line makes the terminal jump; on a narrow one lines are cut instead of wrapped."""
    live = state()
    heights = {len(shown(live, width).splitlines()) for width in (50, 100)}
    for _ in range(2 * RECENT):
        live.note(DOWN)
        live.note(INJECTED)
        live.count(4.0, TrafficCounts(123_456, 123_000, 400, 30, 26, 12))
        heights |= {len(shown(live, width).splitlines()) for width in (50, 100)}
    assert len(heights) == 1


def test_lines_where_there_is_no_terminal() -> None:
    lines, out = recorded(LineView, terminal=False)
    lines.started("run-1", samples.plan(200.0), ENDPOINTS)
    lines.phase(0.0, "warm-up", 1.0)
    for quarter in range(1, 45):
        lines.traffic(quarter / 4, TrafficCounts(sent=50 * quarter, ok=50 * quarter))
    lines.event(PROBED)
    lines.event(DOWN)
    lines.finished(judged().verdict)
    said = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue()
    assert [line for line in said if "200/s" in line] == [said[2], said[3]], "one line of counts in five seconds"
    assert said[-2].endswith("api-2 is down (2 probes failed)")
    assert said[-1].endswith("pause: pass")


def test_an_interrupted_view_gives_the_cursor_back() -> None:
    live, out = recorded(PanelView, terminal=True)
    with suppress(KeyboardInterrupt), live:
        live.started("run-1", samples.plan(200.0), ENDPOINTS)
        live.traffic(0.25, TrafficCounts(sent=50))
        raise KeyboardInterrupt
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")
    before = len(out.getvalue())
    live.traffic(0.5, TrafficCounts(sent=100))
    assert len(out.getvalue()) == before, "a late report must not draw over the prompt"


def test_runs_follow_one_another_in_one_view() -> None:
    live, out = recorded(PanelView, terminal=True)
    with live:
        for run_id in ("run-1", "run-2"):
            live.started(run_id, samples.plan(200.0), ENDPOINTS)
            live.event(DOWN)
            live.finished(judged().verdict)
    assert "run-1" in out.getvalue()
    assert "run-2" in out.getvalue()


def test_the_view_suits_the_console() -> None:
    assert isinstance(view(Console(file=io.StringIO())), LineView)
    assert isinstance(view(Console(file=io.StringIO(), force_terminal=True)), PanelView)


def test_the_summary_holds_measurement_and_bound_side_by_side() -> None:
    text = plain([judged()])
    assert "✓ pass" in text
    assert "0.08 ≤ 1.52" in text
    assert "0.61 ≤ 0.95" in text
    assert "results/run-1/report.html" in text
    assert "reroute_within_bound" not in text, "what passed needs no line"


def test_what_did_not_pass_is_explained_below() -> None:
    text = plain([judged(), judged("fail", samples.FAILING_CHECKS)])
    assert "✗ fail  pause: reroute_within_bound" in text
    assert "2.60 s > 1.52 s: the last request went to api-2 at 5.60 s" in text


def test_what_is_not_asserted_is_named_once_for_all_scenarios_that_leave_it_out() -> None:
    unasserted = [*samples.PASSING_CHECKS, Check.not_asserted("latency"), Check.not_asserted("stickiness")]
    runs = [
        judged(checks=unasserted),
        JudgedRun(replace(judged(checks=unasserted).verdict, scenario="kill"), Path("r")),
    ]
    for text in (plain(runs), markdown(runs)):
        assert text.count("latency") == 1
        assert "not asserted (pause, kill): latency, stickiness" in text
    assert "not asserted" not in plain([judged()])


def test_a_fail_of_a_run_without_ground_is_not_counted() -> None:
    checks = [Check("completeness", Verdict.UNKNOWN, "torn"), Check("ejections", Verdict.FAIL, "one")]
    for text in (plain([judged("unknown", checks)]), markdown([judged("unknown", checks)])):
        assert "✗ fail, not counted" in text
    assert "not counted" not in plain([judged("fail", checks)])


def test_work_without_ledgers_is_no_number() -> None:
    unread = replace(judged().verdict, work=Work(193, None, None, None, None))
    assert "–/–/–" in plain([JudgedRun(unread, Path("r"))])


def with_bound(bound_s: float | None, reroute_s: float | None) -> RunVerdict:
    verdict = judged().verdict
    return replace(verdict, faults=(replace(verdict.faults[0], bound_s=bound_s, reroute_s=reroute_s),))


@pytest.mark.parametrize(
    ("bound_s", "reroute_s", "cell"),
    [(1.5, 2.0, "2.00 > 1.50"), (None, 2.0, "2.00"), (1.5, None, "– (≤ 1.50)"), (1.5, 1.5, "1.50 ≤ 1.50")],
)
def test_the_relation_to_the_bound_is_the_finding(bound_s: float, reroute_s: float, cell: str) -> None:
    assert cell in plain([JudgedRun(with_bound(bound_s, reroute_s), Path("r"))])


def test_a_run_with_two_faults_has_two_rows_and_its_counts_once() -> None:
    verdict = judged().verdict
    two = replace(verdict, faults=(verdict.faults[0], replace(verdict.faults[0], kind="kill", target="api-1")))
    table = markdown([JudgedRun(two, Path("r"))]).splitlines()
    assert "pause api-2" in table[2]
    assert "kill api-1" in table[3]
    assert table[3].startswith("|  |  |")


def test_markdown_cells_cannot_break_the_table() -> None:
    checks = [Check("a|b", Verdict.UNKNOWN, "<img src=x>\n| x |")]
    text = markdown([judged("unknown", checks)])
    assert "a\\|b" in text
    assert "<img" not in text
    assert "? unknown" in text


def drawn(runs: list[JudgedRun], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(summary(runs))
    return captured.get()


def unhealthy(scenario: str = "unhealthy") -> JudgedRun:
    verdict = judged("unknown", [Check("completeness", Verdict.UNKNOWN, "why")]).verdict
    first = replace(verdict.faults[0], kind="unhealthy", target="api-3", reroute_s=12.34, readmit_s=None)
    counts = RequestCounts(total=123_456, failed=1_505, unknown=12, slow=3_210)
    return JudgedRun(replace(verdict, scenario=scenario, faults=(first,), requests=counts), Path("r"))


@pytest.mark.parametrize("scenario", ["unhealthy", "everything-at-once-and-then-some"])
@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_no_width_cuts_a_number_or_a_verdict(width: int, scenario: str) -> None:
    text = drawn([judged(), unhealthy(scenario)], width)
    said = text.split()
    assert "…" not in text
    assert {scenario, "unhealthy", "api-3", "123,456", "1,505", "12", "3,210", "12.34", "0/0/0"} <= {*said}
    assert "? unknown" in text
    assert max(map(len, text.splitlines())) <= width


def test_at_80_columns_the_target_goes_below_the_kind() -> None:
    few = replace(unhealthy().verdict, requests=RequestCounts(total=1_505))
    lines = [line.split() for line in drawn([JudgedRun(few, Path("r"))], 80).splitlines()]
    row = next(number for number, words in enumerate(lines) if "1,505" in words)
    assert {"unhealthy", "12.34"} <= {*lines[row]}
    assert lines[row + 1][:3] == ["api-3", ">", "1.52"]
