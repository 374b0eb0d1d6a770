"""Goals and limits are read as they are written, and a mistake is told with the option and what was expected."""

from __future__ import annotations

import math

import pytest
from support import failover_settings as known

from lab.advise.models import model
from lab.advise.prediction import Fault, Situation
from lab.errors import BadArgumentsError
from lab.tune.goal import LIMITS, MEASURES, check_rate, parse_goal, parse_limit, shown_seconds


@pytest.mark.parametrize(
    ("text", "faults", "measure", "bound"),
    [
        ("pause: reroute <= 300ms", (Fault.PAUSE,), "reroute", 0.3),
        (" kill ,refuse:failed<=10 ", (Fault.KILL, Fault.REFUSE), "failed", 10.0),
        ("kill, kill: failed <= 0", (Fault.KILL,), "failed", 0.0),
        ("all: wait ≤ 2s", tuple(Fault), "wait", 2.0),
        ("drain: back <= 1.5s", (Fault.DRAIN,), "back", 1.5),
        ("blackhole: noticed <= 2m", (Fault.BLACKHOLE,), "noticed", 120.0),
        ("error: slow <= 7", (Fault.ERROR,), "slow", 7.0),
    ],
)
def test_a_goal_names_faults_a_measure_and_a_bound(
    text: str, faults: tuple[Fault, ...], measure: str, bound: float
) -> None:
    found = parse_goal(text)
    assert (found.faults, found.measure.name, found.bound) == (faults, measure, bound)


@pytest.mark.parametrize(
    ("text", "problem", "next_step"),
    [
        ("", "expected FAULT: MEASURE <= VALUE", "--goal 'pause: reroute <= 300ms'"),
        ("reroute <= 300ms", "expected FAULT: MEASURE <= VALUE", "pause"),
        ("pause: reroute < 300ms", "expected FAULT: MEASURE <= VALUE", "pause"),
        ("pause: reroute <=", "expected FAULT: MEASURE <= VALUE", "pause"),
        ("pause reroute <= 300ms", "expected FAULT", "pause"),
        ("freeze: reroute <= 300ms", "'freeze' is no kind of fault", "kill, pause"),
        ("pause,: reroute <= 300ms", "'' is no kind of fault", "kill, pause"),
        ("all, pause: reroute <= 1s", "'all' is no kind of fault", "kill, pause"),
        ("pause: latency <= 300ms", "'latency' is no measure", "reroute, noticed"),
        ("pause: reroute <= 300", "'300' is not a duration such as 300ms", "a duration"),
        ("pause: reroute <= -1s", "'-1s' is not a duration", "a duration"),
        ("pause: failed <= 3.5", "'3.5' is not a whole number", "whole number"),
        ("pause: failed <= 300ms", "'300ms' is not a whole number", "whole number"),
        ("pause: reroute <= 1s <= 2s", "'1s <= 2s' is not a duration", "a duration"),
    ],
)
def test_a_wrong_goal_says_what_was_expected(text: str, problem: str, next_step: str) -> None:
    with pytest.raises(BadArgumentsError) as caught:
        parse_goal(text)
    assert str(caught.value).startswith(f"--goal {text!r}: ")
    assert problem in str(caught.value)
    assert next_step in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "name", "bound"),
    [
        ("checks <= 20/s a backend", "checks", 20.0),
        ("checks<=30/min per server", "checks", 0.5),
        ("checks <= 2/s", "checks", 2.0),
        ("attempts <= 3", "attempts", 3.0),
        ("wait <= 2s", "wait", 2.0),
    ],
)
def test_a_limit_names_what_is_limited(text: str, name: str, bound: float) -> None:
    found = parse_limit(text)
    assert (found.name, found.bound) == (name, bound)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("checks", "expected MEASURE <= VALUE"),
        ("checks >= 20/s", "expected MEASURE <= VALUE"),
        ("pause: wait <= 2s", "expected MEASURE <= VALUE"),
        ("probes <= 20/s", "'probes' cannot be limited"),
        ("checks <= 20", "'20' is not a rate such as 20/s a backend"),
        ("checks <= 20/s for each", "'20/s for each' is not a rate"),
        ("attempts <= many", "'many' is not a whole number"),
        ("wait <= 2", "'2' is not a duration"),
    ],
)
def test_a_wrong_limit_says_what_was_expected(text: str, problem: str) -> None:
    with pytest.raises(BadArgumentsError) as caught:
        parse_limit(text)
    assert str(caught.value).startswith(f"--limit {text!r}: ")
    assert problem in str(caught.value)
    assert caught.value.next_step


def test_the_rate_of_checks_is_that_of_the_fastest_state() -> None:
    # 500 ms apart, but 100 ms while the state is in doubt.
    assert check_rate(known.HAPROXY_MATCHED) == 10.0
    assert check_rate(known.NGINX_MATCHED) == 0.0


def test_every_measure_and_limit_is_read_from_a_prediction() -> None:
    predictions = model("haproxy").predict(known.HAPROXY_MATCHED, Situation(3))
    pause = next(each for each in predictions if each.fault is Fault.PAUSE)
    found = {name: measure.read(pause) for name, measure in MEASURES.items()}
    assert found["reroute"] == found["noticed"] == pause.notice.worst.seconds if pause.notice.worst else None
    assert found["failed"] == pause.risk.get_failed + pause.risk.post_failed
    limits = {name: limit.read(known.HAPROXY_MATCHED, predictions) for name, limit in LIMITS.items()}
    assert limits["attempts"] == known.HAPROXY_MATCHED.retries.attempts.value
    assert limits["wait"] == max(each.longest_wait.seconds for each in predictions)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0 s"), (0.3, "300 ms"), (1.05, "1.05 s"), (math.inf, "never"), (60.0, "60 s")]
)
def test_times_are_shown_with_a_unit(value: float, text: str) -> None:
    assert shown_seconds(value) == text
