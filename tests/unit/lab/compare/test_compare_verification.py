from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import failover_settings as known

from lab.advise.prediction import Fault
from lab.balancers.configuration import CheckKind, Place, Pool, Server
from lab.balancers.requirements import Level
from lab.balancers.selection import Choice
from lab.compare.document import Comparison, Result
from lab.compare.entries import note_rendered
from lab.compare.generated_block import ADVICE, splice
from lab.compare.measures import Measures
from lab.compare.runner import Entry
from lab.compare.verification import (
    Subject,
    Verified,
    as_document,
    plans,
    rendered_pool,
    rendered_subjects,
    schedule,
    table,
    verify,
    with_recorded,
    without_tls,
)
from lab.errors import BadArgumentsError

PLACE = Place(Path("haproxy.cfg"), 1, 0, 0)
POOL = Pool("app", PLACE, tuple(Server(f"s{n}", f"h{n}:80", PLACE) for n in range(3)), known.HAPROXY_MATCHED)
SUBJECT = Subject(Entry(Choice("haproxy", adapter="haproxy"), "matched"), "haproxy", POOL)


def ran(seconds: float, number: int = 0, fault: Fault = Fault.PAUSE, name: str = "haproxy") -> Result:
    return Result(name, "matched", fault.value, number, "ok", measures=Measures(100, 1, 1, 1, seconds))


def measured(*seconds: float, fault: Fault = Fault.PAUSE) -> list[Verified]:
    comparison = Comparison(1, "mixed", "a machine", "today")
    comparison.results += [ran(each, number, fault) for number, each in enumerate(seconds)]
    return verify([SUBJECT], plans([fault], 1), comparison)


@pytest.mark.parametrize(("kind", "plain"), [(CheckKind.TLS, CheckKind.TCP), (CheckKind.HTTP, CheckKind.HTTP)])
def test_checks_are_predicted_as_the_lab_runs_them_without_tls(kind: CheckKind, plain: CheckKind) -> None:
    secure = replace(known.checks(1, 1, 2, 2, kind=kind), handshakes=True)
    found = without_tls(replace(POOL, settings=replace(POOL.settings, checks=secure))).settings.checks
    assert found is not None
    assert (found.kind.value, found.handshakes) == (plain, False)
    assert without_tls(POOL) is POOL


def test_each_run_is_delayed_by_another_phase_of_the_interval() -> None:
    wanted = plans([Fault.PAUSE], 1)
    begins = [each.plan.steps[0].at_s for each in schedule([SUBJECT], wanted, 4)]
    assert [round(at - begins[0], 6) for at in begins] == [0.0, 0.125, 0.25, 0.375]


def test_only_waits_close_to_the_time_out_count_as_slow() -> None:
    (one,) = schedule([SUBJECT], plans([Fault.PAUSE], 1), 1)
    assert one.plan.load.slow_s == 0.75
    patient = replace(POOL, settings=replace(POOL.settings, response_timeout_s=known.at(60.0)))
    (one,) = schedule([replace(SUBJECT, pool=patient)], plans([Fault.PAUSE], 1), 1)
    assert one.plan.load.slow_s == 0.75 * 3.0


@pytest.mark.parametrize(
    ("seconds", "verdict", "why"),
    [
        ((1.0, 1.3), "holds", ""),
        ((1.0, 1.6), "exceeded", "0.15 s longer"),
        ((0.8, 0.9), "loose", "expected value of 1.15 s"),
        ((0.1,), "loose", "not explained"),
    ],
)
def test_the_largest_value_decides(seconds: tuple[float, ...], verdict: str, why: str) -> None:
    # Predicted: at most 1.45 s, expected 1.15 s.
    (row,) = measured(*seconds)
    assert (row.verdict, row.worst_s) == (verdict, 1.45)
    assert why in row.why


def test_a_run_above_the_bound_counts_only_if_the_host_was_not_busy() -> None:
    comparison, wanted = Comparison(1, "mixed", "a machine", "today"), plans([Fault.PAUSE], 1)
    comparison.results += [ran(1.3), ran(1.6, 1), ran(1.2, 2)]
    (row,) = verify([SUBJECT], wanted, comparison, lambda result: result.repeat in {1, 2})
    assert (row.verdict, row.measured_s, row.affected) == ("holds", (1.3, 1.2), (2, 2))
    assert row.why == "1 run does not count: above the prediction, but on a busy host"
    (row,) = verify([SUBJECT], wanted, comparison, lambda result: result.repeat == 2)
    assert (row.verdict, row.measured_s) == ("exceeded", (1.3, 1.6, 1.2))
    comparison.results = [ran(1.6), ran(1.7, 1)]
    (row,) = verify([SUBJECT], wanted, comparison, lambda _: True)
    assert (row.verdict, row.measured_s) == ("busy host", ())
    assert row.why == "2 runs do not count: above the prediction, but on a busy host; run it again"


def test_a_balancer_that_did_not_run_has_a_row_that_says_why_and_one_that_was_not_asked_for_has_none() -> None:
    comparison = Comparison(1, "mixed", "a machine", "today")
    comparison.results.append(Result("haproxy", "matched", "pause", 0, "missing", "haproxy is not installed"))
    (row,) = verify([SUBJECT], plans([Fault.PAUSE, Fault.KILL], 1), comparison)
    assert (row.fault, row.verdict, row.why) == ("pause", "not run", "haproxy is not installed")


def test_recorded_balancers_and_faults_are_judged_with_those_that_are_asked_for() -> None:
    comparison = Comparison(1, "mixed", "a machine", "today")
    comparison.results += [ran(1.0, fault=Fault.DRAIN), ran(1.0, name="caddy")]
    asked = rendered_subjects(["nginx"], ["tuned"])
    subjects, faults = with_recorded(asked, [Fault.KILL], comparison)
    assert [(each.program, each.entry.settings) for each in subjects] == [
        ("haproxy", "matched"),
        ("nginx", "tuned"),
        ("caddy", "matched"),
    ]
    assert faults == [Fault.KILL, Fault.PAUSE, Fault.DRAIN]


def test_runs_are_added_only_if_the_lab_still_renders_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = Comparison(1, "mixed", "a machine", "today")
    subjects = [each.entry for each in rendered_subjects(["haproxy"], ["matched", "tuned"])]
    note_rendered(subjects, comparison)
    assert len(set(comparison.sources.values())) == 2
    note_rendered(subjects, comparison)
    monkeypatch.setattr("lab.compare.entries.rendered", lambda choice: {"haproxy.cfg": "retries 7"})
    with pytest.raises(BadArgumentsError, match="renders other files for haproxy matched now"):
        note_rendered(subjects, comparison)


def test_runs_that_are_added_get_the_next_numbers_and_all_phases() -> None:
    wanted = plans([Fault.PAUSE], 1)
    added = [*schedule([SUBJECT], wanted, 2, 4)]
    assert [each.repeat for each in added] == [4, 5]
    assert added[1].plan.steps[0].at_s - added[0].plan.steps[0].at_s == pytest.approx(0.25)


def test_a_fault_that_is_undone_late_does_not_exceed_its_planned_duration() -> None:
    blind = replace(SUBJECT, pool=replace(POOL, settings=replace(POOL.settings, checks=None, passive=None)))
    comparison = Comparison(1, "mixed", "a machine", "today")
    comparison.results.append(Result("haproxy", "matched", "pause", 0, "ok", measures=Measures(100, 1, 1, 1, 3.06)))
    (row,) = verify([blind], plans([Fault.PAUSE], 1), comparison)
    assert (row.verdict, row.worst_s, row.measured_s) == ("whole fault", 3.0, (3.0,))


def test_a_fault_that_retries_hide_says_so() -> None:
    (row,) = measured(0.0, fault=Fault.KILL)
    assert (row.verdict, row.why) == ("loose", "only because of the allowance of 50 ms")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("program", ["haproxy", "nginx"])
def test_what_the_reader_finds_in_our_files_is_what_the_tests_of_the_models_use(program: str, level: Level) -> None:
    settings = rendered_pool(program, level).settings
    limits = (settings.connect_timeout_s.value, settings.response_timeout_s.value)
    shipped = {"haproxy": (5.0, 50.0), "nginx": (60.0, 60.0)}[program]
    assert limits == (shipped if level is Level.DEFAULT else (0.25, 1.0))
    if (program, level) == ("haproxy", Level.MATCHED):
        wanted = known.HAPROXY_MATCHED.checks
        assert settings.checks is not None
        assert wanted is not None
        for name in ("interval_s", "doubt_interval_s", "timeout_s", "connect_timeout_s", "fall", "rise"):
            assert getattr(settings.checks, name).value == getattr(wanted, name).value, name


def test_more_requests_than_the_policy_can_send_to_the_server_exceed_the_prediction() -> None:
    comparison = Comparison(1, "mixed", "a machine", "today")
    for number, failed in enumerate((40, 100, 101)):
        measures = Measures(900, failed, 1, 0, 1.3)
        comparison.results.append(Result("haproxy", "matched", "pause", number, "ok", measures=measures))
        (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison)
        # 1.45 s × 200/s ÷ 3 servers, and 0.05 s in flight.
        assert (row.affected_at_most, row.verdict == "exceeded") == (100, failed > 100)
    assert row.why == "in one run 1 more requests were affected than the model allows"
    (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison, lambda result: result.repeat == 2)
    assert (row.verdict, row.affected, "1 run does not count" in row.why) == ("holds", (40, 100), True)
    (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison, lambda result: result.repeat == 1)
    assert row.verdict == "exceeded"


def test_requests_that_fail_while_a_killed_server_starts_again_are_not_of_the_fault() -> None:
    comparison = Comparison(1, "mixed", "a machine", "today")
    measures = Measures(900, 140, 1, 0, 1.3, bad_in_fault=99)
    comparison.results.append(Result("haproxy", "matched", "pause", 0, "ok", measures=measures))
    (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison)
    assert (row.verdict, row.affected) == ("holds", (99,))


def test_the_table_is_written_between_its_markers(tmp_path: Path) -> None:
    rows, comparison = measured(1.3), Comparison(1, "mixed", "a machine", "today", versions={"haproxy": "2.6"})
    page = tmp_path / "advise.md"
    page.write_text(f"before\n{ADVICE[0]}\nold\n{ADVICE[1]}\nafter\n")
    splice(page, table(rows, comparison), ADVICE)
    assert "| haproxy matched | pause | 1.45 | 1.15 | 1.30 | 100 | 2 | 1 | holds |" in page.read_text()
    assert "\nold\n" not in page.read_text()
    assert as_document(rows, comparison)["rows"][0]["measured_s"] == (1.3,)
