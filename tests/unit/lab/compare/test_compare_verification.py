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
from lab.compare.generated_block import ADVICE, splice
from lab.compare.measures import Measures
from lab.compare.runner import Entry
from lab.compare.verification import (
    Subject,
    Verified,
    as_document,
    plans,
    rendered_pool,
    schedule,
    table,
    verify,
    without_tls,
)

PLACE = Place(Path("haproxy.cfg"), 1, 0, 0)
POOL = Pool("app", PLACE, tuple(Server(f"s{n}", f"h{n}:80", PLACE) for n in range(3)), known.HAPROXY_MATCHED)
SUBJECT = Subject(Entry(Choice("haproxy", adapter="haproxy"), "matched"), "haproxy", POOL)


def measured(*seconds: float, fault: Fault = Fault.PAUSE) -> list[Verified]:
    comparison = Comparison(1, "mixed", "a machine", "today")
    comparison.results += [
        Result("haproxy", "matched", fault.value, n, "ok", measures=Measures(100, 1, 1, 1, each))
        for n, each in enumerate(seconds)
    ]
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
        ((), "not run", "no valid run"),
    ],
)
def test_the_largest_value_decides(seconds: tuple[float, ...], verdict: str, why: str) -> None:
    # Predicted: at most 1.45 s, expected 1.15 s.
    (row,) = measured(*seconds)
    assert (row.verdict, row.worst_s) == (verdict, 1.45)
    assert why in row.why


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
    for number, failed in enumerate((40, 97, 98)):
        measures = Measures(900, failed, 1, 0, 1.3)
        comparison.results.append(Result("haproxy", "matched", "pause", number, "ok", measures=measures))
        (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison)
        # 1.45 s × 200/s ÷ 3 servers.
        assert (row.affected_at_most, row.verdict == "exceeded") == (97, failed > 97)
    assert row.why == "in one run 1 more requests were affected than the model allows"
    (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison, lambda result: result.repeat == 2)
    assert (row.verdict, row.why.partition(",")[0]) == ("busy host", "on a busy host")
    (row,) = verify([SUBJECT], plans([Fault.PAUSE], 1), comparison, lambda result: result.repeat == 1)
    assert row.verdict == "exceeded"


def test_the_table_is_written_between_its_markers(tmp_path: Path) -> None:
    rows, comparison = measured(1.3), Comparison(1, "mixed", "a machine", "today", versions={"haproxy": "2.6"})
    page = tmp_path / "advise.md"
    page.write_text(f"before\n{ADVICE[0]}\nold\n{ADVICE[1]}\nafter\n")
    splice(page, table(rows, comparison), ADVICE)
    assert "| haproxy matched | pause | 1.45 | 1.15 | 1.30 | 97 | 2 | 1 | holds |" in page.read_text()
    assert "\nold\n" not in page.read_text()
    assert as_document(rows, comparison)["rows"][0]["measured_s"] == (1.3,)
