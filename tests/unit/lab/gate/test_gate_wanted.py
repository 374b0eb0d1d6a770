"""What a gate runs: options of the command line, and otherwise the baseline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.compare.document import OWN, Comparison, Result
from lab.compare.entries import NamedEntry, from_names
from lab.compare.measures import Measures
from lab.errors import BadArgumentsError
from lab.gate.baseline import Baseline, Options, read_baseline
from lab.gate.wanted import (
    Request,
    Wanted,
    changes,
    expect_enough_repeats,
    expect_same_plans,
    make_baseline,
    new,
    stored,
    stored_entries,
)

SCENARIO = """
version: 1
title: A backend is killed for a moment
load: {rate: 100/s, mix: [{request: GET /work, share: 100%}]}
steps: [{at: 0s, fault: kill, target: api-1, duration: 1s}]
expect: {error_budget: 100%}
"""
MACHINE = "2 CPUs of x86_64"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.yaml").write_text(SCENARIO)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "prod.cfg").write_text("frontend f\n    bind :80\n")
    return tmp_path


def named(*names: str) -> tuple[NamedEntry, ...]:
    return tuple(NamedEntry(name, "haproxy", files=("conf/prod.cfg",)) for name in names)


def comparison(wanted: Wanted) -> Comparison:
    """Six runs that count of everything, and one on a busy host."""
    results = [
        Result(entry.name, OWN, plan.scenario, repeat, "ok", measures=Measures(100, repeat, 0, 0), host_busy_s=busy)
        for entry in wanted.entries
        for plan in wanted.plans(7)
        for repeat, busy in [(0, 0.0), (1, 0.0), (2, 9.0), (3, 0.0), (4, 0.0), (5, 0.0), (6, 0.0)]
    ]
    return Comparison(7, "mixed", MACHINE, "2026-11-20T12:00:00+00:00", versions={"haproxy": "2.6"}, results=results)


def made(path: Path, request: Request) -> Baseline:
    wanted, before = new(request), comparison(new(request))
    entries = stored_entries(wanted, from_names(wanted.entries, [], []), before, path)
    baseline = make_baseline(wanted, entries, wanted.plans(7), before, path)
    baseline.write(path)
    return read_baseline(path)


REQUEST = Request(named("prod.cfg"), ("kill", "short.yaml"), seed=7, options=Options(pool="b"))


def test_a_baseline_alone_says_all_that_is_needed_from_any_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "conf" / "gate.json"
    made(path, REQUEST)
    monkeypatch.chdir("/")
    again = stored(baseline := read_baseline(path), path, Request(), update=False)
    assert [Path(each).resolve() for each in again.entries[0].files] == [folder / "conf" / "prod.cfg"]
    assert again.scenarios == ("kill", str(path.parent / "../short.yaml"))
    assert (again.seed, again.repeat, again.runtime, again.options.pool) == (7, 6, "local", "b")
    expect_same_plans(baseline, again.plans(baseline.seed), path)


def test_only_runs_that_count_are_stored(folder: Path) -> None:
    baseline = made(folder / "gate.json", REQUEST)
    assert baseline.runs["prod.cfg"]["kill"].failed == (0, 1, 3, 4, 5, 6)
    busy = made(folder / "gate.json", replace(REQUEST, count_busy=True))
    assert busy.runs["prod.cfg"]["kill"].failed == (0, 1, 2, 3, 4, 5, 6)


def test_a_part_can_be_gated_and_another_file_in_place_of_the_only_one(folder: Path) -> None:
    path = folder / "gate.json"
    baseline = made(path, REQUEST)
    (folder / "conf" / "new.cfg").write_text("x")
    other = NamedEntry("new.cfg", "haproxy", files=("conf/new.cfg",))
    part = stored(baseline, path, Request((other,), ("short.yaml",), repeat=9), update=False)
    assert (part.entries, part.repeat) == ((other,), 9)
    assert [Path(each).name for each in part.scenarios] == ["short.yaml"]


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (Request(scenarios=("pause",)), "has no numbers of pause"),
        (Request(seed=8), "has numbers of seed 7"),
        (Request(runtime="docker"), "has numbers of local"),
        (Request(named("a", "b")), "has no numbers of a"),
        (Request(scenarios=("nonsense",)), "there is no scenario"),
    ],
)
def test_what_the_baseline_has_no_numbers_for_is_refused_unless_it_is_updated(
    folder: Path, request_: Request, told: str
) -> None:
    baseline = made(path := folder / "gate.json", REQUEST)
    with pytest.raises(BadArgumentsError, match=told) as refused:
        stored(baseline, path, request_, update=False)
    assert refused.value.next_step
    if request_.scenarios != ("nonsense",):
        updated = stored(baseline, path, request_, update=True)
        assert (updated.seed, updated.scenarios[0]) == (request_.seed or 7, (request_.scenarios or ("kill",))[0])


def test_a_scenario_that_has_changed_is_refused_with_the_command_to_type(folder: Path) -> None:
    baseline = made(path := folder / "gate.json", REQUEST)
    (folder / "short.yaml").write_text(SCENARIO.replace("100/s", "120/s"))
    plans = stored(baseline, path, Request(), update=False).plans(7)
    with pytest.raises(BadArgumentsError, match="short: the scenario has changed since 2026-11-20") as refused:
        expect_same_plans(baseline, plans, path)
    assert refused.value.next_step == f"store new numbers: lab gate --baseline {path} --update"


def test_nothing_to_gate_and_two_scenarios_of_one_name_are_refused(folder: Path) -> None:
    with pytest.raises(BadArgumentsError, match="nothing to gate"):
        new(Request())
    (folder / "conf" / "short.yaml").write_text(SCENARIO)
    with pytest.raises(BadArgumentsError, match="two are called short"):
        new(replace(REQUEST, scenarios=("short.yaml", "conf/short.yaml"))).plans(7)


def test_a_repeat_that_could_never_show_anything_is_refused() -> None:
    expect_enough_repeats(5, 10)
    with pytest.raises(BadArgumentsError, match="at least 5 runs of each are needed"):
        expect_enough_repeats(4, 10)
    with pytest.raises(BadArgumentsError, match="the baseline has too few runs"):
        expect_enough_repeats(50, 200, 1)


def test_what_differs_from_then_is_said(folder: Path) -> None:
    baseline = made(path := folder / "gate.json", REQUEST)
    wanted = new(REQUEST)

    def now(version: str, machine: str) -> tuple[str, ...]:
        then = replace(comparison(wanted), versions={"haproxy": version})
        entries = stored_entries(wanted, from_names(wanted.entries, [], []), then, path)
        return changes(baseline, {name: ("prod.cfg", each) for name, each in entries.items()}, machine)

    assert now("2.6", MACHINE) == ("prod.cfg has not changed since then.",)
    (folder / "conf" / "prod.cfg").write_text("frontend f\n    bind :81\n")
    assert now("3.0", "8 CPUs") == (
        "prod.cfg has changed since then.",
        "The program of prod.cfg was 2.6, and is 3.0 now.",
        "The machine is another one: 2 CPUs of x86_64 then, 8 CPUs now.",
    )
