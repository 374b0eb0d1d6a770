"""What a gate decides: recorded and synthetic runs that have not changed, and runs that have become worse."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.compare.differences import MEASURES
from lab.compare.document import OWN, Result
from lab.compare.measures import Measures
from lab.evidence.verdict import Verdict
from lab.gate.decision import ALPHA, BUSY_S, TOLERANCES, Decision, counts, decide, runs_needed, runs_of

RECORDED = json.loads((Path(__file__).parents[1] / "compare" / "recorded_measures.json").read_text())
"""Measures of runs of the same HAProxy configuration (kill, pause)."""
CHECK_INTERVAL_S = 2.0
"""`inter` of the recorded configuration."""
RATE = 200.0
Sample = Callable[[random.Random, str, float], Measures]


def recorded(generator: random.Random, scenario: str, later_s: float) -> Measures:
    """A recorded run, with one server of three noticed `later_s` later."""
    run = Measures(**generator.choice(RECORDED[scenario]))
    return worsened(run, later_s)


def synthetic(generator: random.Random, _: str, later_s: float) -> Measures:
    """A run whose time to reroute depends on the phase of the checks, on a host that delays some requests."""
    phase_s = generator.random() * CHECK_INTERVAL_S
    noise = generator.choice([0, 0, 0, 1, 3])
    run = Measures(
        requests=1600 + generator.randrange(40),
        failed=generator.choice([0, 0, 1]),
        failed_posts=0,
        slow=round(phase_s * RATE / 3) + noise,
        reroute_s=phase_s,
        readmit_s=round(generator.random() * CHECK_INTERVAL_S, 3),
        p99_fault_s=0.9 + generator.random() * 0.1,
    )
    return worsened(run, later_s)


def worsened(run: Measures, later_s: float) -> Measures:
    slow = run.slow + round(later_s * RATE / 3)
    return Measures(
        run.requests,
        run.failed,
        run.failed_posts,
        slow,
        reroute_s=(run.reroute_s or 0.0) + later_s,
        readmit_s=run.readmit_s,
        p99_fault_s=run.p99_fault_s,
    )


def gate(sample: Sample, generator: random.Random, later_s: float = 0.0, repeat: int = 6) -> Decision:
    """One gate of two scenarios, whose second one has become worse by `later_s`."""

    def runs(scenario: str, worse_s: float) -> dict[str, list[float]]:
        return runs_of(result(sample(generator, scenario, worse_s)) for _ in range(repeat))

    before = {("a", scenario): runs(scenario, 0.0) for scenario in RECORDED}
    after = {("a", name): runs(name, later_s if name == "pause" else 0.0) for name in RECORDED}
    return decide(before, after)


def result(measures: Measures | None, status: str = "ok", busy_s: float = 0.0) -> Result:
    return Result("a", OWN, "kill", 0, status, measures=measures, host_busy_s=busy_s)


@pytest.mark.parametrize("sample", [recorded, synthetic])
def test_a_gate_fails_in_at_most_one_of_twenty_if_nothing_has_changed(sample: Sample) -> None:
    generator = random.Random(3)
    failed = sum(gate(sample, generator).verdict is Verdict.FAIL for _ in range(1000))
    assert failed / 1000 <= ALPHA


@pytest.mark.parametrize("sample", [recorded, synthetic])
def test_one_check_interval_more_is_found(sample: Sample) -> None:
    generator = random.Random(3)
    found = 0
    for _ in range(200):
        decision = gate(sample, generator, CHECK_INTERVAL_S)
        worse = {(each.scenario, each.measure.name) for each in decision.comparisons if each.worse}
        found += ("pause", "reroute_s") in worse
        assert not {each for each in worse if each[0] != "pause"} or decision.verdict is Verdict.FAIL
    assert found / 200 >= 18 / 20


def test_what_is_significant_and_within_the_tolerance_does_not_fail() -> None:
    quiet, noisy = cell(failed=[0] * 8), cell(failed=[1] * 8)
    [failed, *_] = decide({("a", "kill"): quiet}, {("a", "kill"): noisy}).comparisons
    assert failed.p <= ALPHA
    assert failed.shift.median == 1
    assert not failed.worse
    assert decide({("a", "kill"): quiet}, {("a", "kill"): cell(failed=[3.5] * 8)}).verdict is Verdict.FAIL


def test_what_is_large_and_not_significant_does_not_fail() -> None:
    before, after = cell(reroute_s=[0.1, 0.2, 0.1, 3.0, 0.2, 3.0]), cell(reroute_s=[3.0, 0.2, 3.0, 0.1, 3.0, 3.0])
    assert decide({("a", "kill"): before}, {("a", "kill"): after}).verdict is Verdict.PASS


def test_better_runs_pass() -> None:
    before, after = cell(slow=[60] * 6), cell(slow=[0] * 6)
    assert decide({("a", "kill"): before}, {("a", "kill"): after}).verdict is Verdict.PASS


def test_a_backend_that_never_comes_back_is_worse_than_any_time() -> None:
    before, after = cell(readmit_s=[0.3] * 6), cell(readmit_s=[math.inf] * 6)
    assert decide({("a", "kill"): before}, {("a", "kill"): after}).verdict is Verdict.FAIL
    assert decide({("a", "kill"): after}, {("a", "kill"): after}).verdict is Verdict.PASS
    assert decide({("a", "kill"): after}, {("a", "kill"): before}).verdict is Verdict.PASS


def test_too_few_runs_have_no_answer_unless_another_scenario_is_worse() -> None:
    good, bad, few = cell(failed=[0] * 6), cell(failed=[9] * 6), cell(failed=[0] * 3)
    keys = [("a", "kill"), ("a", "pause")]
    decision = decide(dict.fromkeys(keys, good), dict(zip(keys, (good, few), strict=True)))
    assert decision.verdict is Verdict.UNKNOWN
    [short] = decision.too_few
    assert (short.scenario, short.counted, short.needed) == ("pause", 3, 4)
    assert decide(dict.fromkeys(keys, good), dict(zip(keys, (bad, few), strict=True))).verdict is Verdict.FAIL
    none = decide({keys[0]: good}, {keys[0]: runs_of([])})
    assert (none.verdict, none.too_few[0].counted) == (Verdict.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("tests", "stored", "needed"), [(5, None, 5), (10, None, 5), (40, None, 6), (10, 6, 4), (10, 3, 9)]
)
def test_how_many_runs_are_needed(tests: int, stored: int | None, needed: int) -> None:
    """With so many runs, values that do not overlap are significant in one of the comparisons; with one fewer, not."""
    assert runs_needed(tests, stored) == needed
    for runs, found in ((needed, True), (needed - 1, False)):
        before = {(str(each), "kill"): cell(failed=[0] * (stored or runs)) for each in range(tests // len(MEASURES))}
        after = before | {("0", "kill"): cell(failed=[9] * runs)}
        assert (decide(before, after).verdict is Verdict.FAIL) is found


def test_a_baseline_of_one_run_is_never_enough() -> None:
    assert runs_needed(200, 1) == 0


def test_runs_count_on_a_quiet_host_only_unless_allowed() -> None:
    run = Measures(1600, 0, 0, 0)
    assert counts(result(run, busy_s=BUSY_S), count_busy=False)
    assert not counts(result(run, busy_s=BUSY_S + 0.1), count_busy=False)
    assert counts(result(run, busy_s=9.0), count_busy=True)
    assert counts(result(run, "died"), count_busy=False)
    assert not counts(result(run, "spoiled"), count_busy=True)
    assert not counts(result(None, "died"), count_busy=True)


def test_every_measure_has_a_tolerance() -> None:
    assert TOLERANCES.keys() == {each.name for each in MEASURES}


def test_the_tolerance_grows_with_the_number_of_requests() -> None:
    runs = cell(requests=[10_000] * 6)
    tolerances = {
        each.measure.name: each.tolerance for each in decide({("a", "b"): runs}, {("a", "b"): runs}).comparisons
    }
    assert tolerances == {"failed": 20, "slow": 100, "reroute_s": 0.05, "readmit_s": 0.05, "p99_fault_s": 0.1}


def cell(**values: list[float]) -> dict[str, list[float]]:
    """Runs with these values, and otherwise all alike."""
    size = len(next(iter(values.values())))
    usual = {"requests": 1000.0, "failed": 0.0, "slow": 0.0, "reroute_s": 0.1, "readmit_s": 0.1, "p99_fault_s": 0.1}
    return {name: values.get(name, [each] * size) for name, each in usual.items()}
