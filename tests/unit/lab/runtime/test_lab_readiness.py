"""What is reported about a service that does not become ready, and when waiting for it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.processes.readiness import NO_AFTER_S, Answer, Patience, advice, gave_up, telling


def test_redirects_end_the_wait_at_once_and_a_4xx_when_it_stays() -> None:
    assert Patience().ended(Answer(302, "/x"), 0.0)
    patience = Patience()
    assert not patience.ended(Answer(404), 1.0)
    assert not patience.ended(Answer(404), 0.9 + NO_AFTER_S)
    assert not patience.ended(Answer(503), 1.0 + NO_AFTER_S)
    assert not patience.ended(Answer(404), 2.0 + NO_AFTER_S)
    assert patience.ended(Answer(404), 2.0 + 2 * NO_AFTER_S)


def test_a_5xx_or_no_answer_may_still_change() -> None:
    for answer in (Answer(503), Answer(problem="no connection")):
        patience = Patience()
        assert not patience.ended(answer, 0.0)
        assert not patience.ended(answer, 1000.0)


def test_haproxy_has_given_up_when_its_log_says_so(tmp_path: Path) -> None:
    log = tmp_path / "lb.log"
    log.write_text(
        "Server api/a is DOWN, reason: Layer7 wrong status, code: 404\nbackend 'api' has no server available!\n"
    )
    assert gave_up(Answer(503), str(log))
    assert not gave_up(Answer(200), str(log))
    assert not gave_up(Answer(503), "")
    log.write_text("Server api/a is DOWN, reason: Layer4 connection problem\nbackend 'api' has no server available!\n")
    assert not gave_up(Answer(503), str(log))


def test_of_a_long_access_log_the_lines_that_say_why_are_kept_and_cannot_act_on_a_terminal() -> None:
    lines = ["Server a is DOWN, reason: Layer7 wrong status, code: 404", *['"GET /whoami" 503 \x1b[2J'] * 50]
    told = telling(lines)
    assert told[0] == lines[0]
    assert len(told) == 6
    assert told[-1] == '"GET /whoami" 503 \\x1b[2J'


@pytest.mark.parametrize(
    ("answer", "words", "step"),
    [
        (Answer(503), ("Layer7 wrong status, code: 404",), "=HEALTH"),
        (Answer(301, "/"), (), "--host"),
        (Answer(404), (), "--host"),
        (Answer(502), (), ""),
    ],
)
def test_the_next_step_fits_the_answer(answer: Answer, words: tuple[str, ...], step: str) -> None:
    told = advice(answer, "", words)
    assert step in told
    assert bool(step) == bool(told)
