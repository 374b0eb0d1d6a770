"""The scenario language: what may be written, and what is said about everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import BadArgumentsError
from lab.scenario.file_reader import load_scenario, parse_scenario
from lab.scenario.library import find, names
from lab.scenario.model_file import ModelFileError
from lab.scenario.plan import Plan
from lab.scenario.planner import make_plan
from lab.scenario.units import parse_duration, parse_share

VALID = """\
version: 1
title: A test
load:
  rate: 200/s
  mix:
    - {request: GET /work, share: 90%}
    - {request: POST /jobs, share: 10%}
steps:
  - {at: 500ms, fault: delay, target: random, duration: 4s, params: {delay: 1500ms}}
expect:
  reroute: within_bound
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(ModelFileError) as caught:
        parse_scenario(text, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_what_has_no_unit_is_refused_with_an_example() -> None:
    """`tests/meta/test_unit_grammar.py` has what is accepted and refused."""
    with pytest.raises(ValueError, match="a duration with its unit, such as 500ms, 2s or 5min; got 5"):
        parse_duration(5)
    with pytest.raises(ValueError, match=r"at most 100%.*; got '101%'"):
        parse_share("101%")


def test_the_valid_scenario_becomes_a_plan() -> None:
    plan = make_plan(parse_scenario(VALID, "x.yaml"), "x", seed=7)
    assert (plan.load.rate, plan.load.mix[1].path, plan.load.slow_s) == (200.0, "/jobs", 0.25)
    step = plan.steps[0]
    assert (step.at_s, step.duration_s, step.params) == (3.5, 4.0, {"delay": "1500ms"})
    assert plan.expect["reroute"] == "within_bound"
    assert plan.expect["readmit"] is None


def test_the_same_seed_gives_the_same_bytes_and_another_one_another_target() -> None:
    scenario = parse_scenario(VALID, "x.yaml")
    assert make_plan(scenario, "x", 7).to_json() == make_plan(scenario, "x", 7).to_json()
    hosts = [f"api-{n}" for n in range(100)]
    chosen = {make_plan(scenario, "x", seed).steps[0].choose(hosts) for seed in range(20)}
    assert len(chosen) > 10


def test_a_plan_survives_its_file() -> None:
    plan = make_plan(parse_scenario(VALID, "x.yaml"), "x", seed=7)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": 1}', '{"schema": 2}', '{"schema": 3}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"plan\.json"):
        Plan.from_json(text)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("rate: 200/s", "rate: 200", "load.rate: expected a rate with its unit, such as 200/s, 6/min or 10/h; got 200"),
        ("share: 90%", "share: 80%", "x.yaml:3: load: expected the shares of the mix to add up to 100%; got '90"),
        ("fault: delay", "fault: dealy", "(did you mean delay?)"),
        ("at: 500ms", "at: 5", "x.yaml:9: steps[0].at: expected a duration with its unit, such as 500ms, 2s"),
        ("delay: 1500ms", "delay: 1500", "x.yaml:9: steps[0].params.delay: expected a quantity with a unit"),
        ("title: A test", "titel: A test", "x.yaml:2: titel: is not a known field here (did you mean title?)"),
        ("reroute: within_bound", "reroute: never", "x.yaml:11: expect.reroute: expected within_bound or a duration"),
        ("duration: 4s", "duraton: 4s", "x.yaml:9: steps[0].duraton: is not a known field here (did you mean duration"),
        ("duration: 4s, ", "", "x.yaml:9: steps[0]: expected a duration with delay"),
        ("GET /work", "FETCH /work", "x.yaml:6: load.mix[0]: expected a method (GET, HEAD, OPTIONS, POST"),
        ("POST /jobs", "WS /work", "x.yaml:7: load.mix[1]: expected 'WS /ws'"),
        ("version: 1", "version: 2", "x.yaml:1: version: expected one of 1; got 2"),
        ("version: 1", "version: 1\nversion: 1", 'x.yaml:2: is not YAML: found duplicate key "version"'),
        ("load:", "load: [", "is not YAML"),
    ],
)  # fmt: skip
def test_each_mistake_is_said_with_line_field_and_expectation(old: str, new: str, complaint: str) -> None:
    assert old in VALID
    assert any(complaint in each for each in complaints(VALID.replace(old, new))), complaints(VALID.replace(old, new))


def test_all_mistakes_at_once_in_order_of_lines_and_none_twice() -> None:
    text = VALID.replace("200/s", "200").replace("fault: delay", "fault: x").replace("within_bound", "x")
    assert [each.split(":")[1] for each in complaints(text)] == ["4", "9", "11"]


@pytest.mark.parametrize("text", ["", "- 1", "just text", "\t", "a: " + "[" * 5000])
def test_what_is_no_mapping_is_one_clear_line(text: str) -> None:
    assert len(complaints(text)) == 1


@pytest.mark.parametrize("name", names())
def test_the_library_is_valid_and_each_run_fits_its_budget_of_time(name: str) -> None:
    plan = make_plan(load_scenario(find(name)), name, seed=1)
    assert plan.scenario == name
    # A rolling restart takes its three backends out one after the other; its end is an estimate, and a generous one.
    assert plan.faults_end_s + plan.settle_s <= (18.0 if name == "rolling-restart" else 10.0)


def test_the_library_has_the_three_faults() -> None:
    assert {"kill", "pause", "delay"} <= {*names()}


def test_an_unknown_scenario_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match="did you mean pause"):
        find("puase")
    with pytest.raises(BadArgumentsError):
        load_scenario(tmp_path)


def test_a_step_names_a_target_or_picks_one() -> None:
    plan = make_plan(parse_scenario(VALID.replace("random", "api-2"), "x.yaml"), "x", 1)
    assert plan.steps[0].choose(["api-1", "api-2"]) == "api-2"
    with pytest.raises(ValueError, match="there are api-1, api-3"):
        plan.steps[0].choose(["api-3", "api-1"])


STEP = "fault: delay, target: random, duration: 4s, params: {delay: 1500ms}"


@pytest.mark.parametrize("kind", ["explode", "Kill", "latency"])
def test_faults_that_do_not_exist_are_refused(kind: str) -> None:
    (complaint,) = complaints(VALID.replace(STEP, f"fault: {kind}, duration: 4s"))
    assert f"got '{kind}'" in complaint


@pytest.mark.parametrize(
    "step",
    [
        "fault: bandwidth, duration: 4s, params: {rate: 1mbit, direction: both}",
        "fault: loss, duration: 4s, params: {loss: 20%, model: gilbert-elliott, recovery: 40%, peer: balancer}",
        "fault: partition, duration: 4s, params: {peer: balancer}",
        "fault: cpu, duration: 4s, params: {cpu: 20%}",
        "fault: memory, duration: 4s, params: {limit: 64MiB}",
        "fault: disconnect, duration: 4s",
    ],
)
def test_the_network_and_resource_faults_are_known(step: str) -> None:
    parse_scenario(VALID.replace(STEP, step + ", target: random"), "x.yaml")


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        (
            "fault: bandwidth, params: {rate: 7kbit}",
            "rate: expected at least 8kbit and at most 10000000kbit",
        ),
        (
            "fault: memory, params: {limit: '64'}",
            "limit: expected a size with its unit, such as",
        ),
        ("fault: partition, params: {peer: all}", "peer: expected `balancer`, or names of members"),
        ("fault: delay, params: {delay: 1s, distribution: cauchy}", "expected uniform, normal or pareto"),
        ("fault: delay, params: {delay: 1s, mechanism: htb}", "expected auto, netem or nfqueue"),
        ("fault: delay", "delay requires delay"),
        ("fault: loss", "loss requires loss"),
        (
            "fault: delay, params: {dealy: 1s, delay: 1s}",
            "dealy is not a known parameter of delay (did you mean delay?)",
        ),
        ("fault: delay, params: {delay: 10%}", "delay: expected a duration with its unit"),
        ("fault: slow, params: {delay: 2m}", "delay: expected above 0s and at most 60s; got '2m'"),
        ("fault: loss, params: {loss: 0%}", "loss: expected above 0%"),
        ("fault: error, params: {rate: 120%}", "rate: expected a percentage of at most 100%"),
        ("fault: lie, params: {status: '200'}", "status: expected a quoted number, at least 500 and at most 599"),
        ("fault: kill, params: {signal: TERM}", "signal is not a known parameter: kill takes none"),
    ],
)
def test_parameters_are_those_of_the_fault(step: str, complaint: str) -> None:
    (said,) = complaints(VALID.replace(STEP, f"{step}, duration: 4s"))
    assert said.startswith("x.yaml:9: steps[0].params: ")
    assert complaint in said


@pytest.mark.parametrize(
    "step",
    [
        "fault: delay, params: {delay: 20ms, jitter: 5ms}",
        "fault: loss, params: {loss: 30%}",
        "fault: error, params: {rate: 50%, status: '503'}",
        "fault: error",
        "fault: lie, params: {status: '503'}",
        "fault: refuse",
    ],
)
def test_what_the_chaos_service_takes_is_valid(step: str) -> None:
    parse_scenario(VALID.replace(STEP, f"{step}, duration: 4s"), "x.yaml")


@pytest.mark.parametrize(
    "written",
    [("\ufeff" + VALID).encode(), VALID.replace("\n", "\r\n").encode()],
    ids=["byte order mark", "lines of another system"],
)
def test_what_other_editors_write_is_read(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(written)
    assert load_scenario(path).title == "A test"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (VALID.encode("utf-16"), "own.yaml: cannot be read as a scenario"),
        (VALID.replace("A test", "Größe").encode("latin-1"), "own.yaml: cannot be read as a scenario"),
        (VALID.replace("  rate", "\trate").encode(), "own.yaml:4: is not YAML"),
        (f"{VALID}---\n{VALID}".encode(), "own.yaml:12: is not YAML: but found another document"),
        (
            VALID.replace("duration: 4s", "duration: 0:30").encode(),
            "steps[0].duration: expected a duration",
        ),
        (VALID.replace("A test", "!!python/object/apply:os.system [exit]").encode(), "own.yaml:2: "),
    ],
    ids=["UTF-16", "Latin-1", "tab", "two documents", "sexagesimal", "Python"],
)
def test_what_cannot_be_meant_is_refused_with_its_place(tmp_path: Path, written: bytes, says: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(written)
    with pytest.raises((ModelFileError, BadArgumentsError)) as refused:
        load_scenario(path)
    assert says in str(refused.value)
