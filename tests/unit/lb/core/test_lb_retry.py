from __future__ import annotations

from dataclasses import replace

import pytest

from lb.core.balancer import Refusal
from lb.core.exchange import Failure
from lb.core.settings import RetrySettings, Settings
from tests.support.balancing import World

AFTER_SENDING = [Failure.RESET, Failure.TIMEOUT, Failure.BAD_RESPONSE]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_any_method_is_retried_while_nothing_was_sent(method: str) -> None:
    world = World()
    first = world.start(world.admit(method), sent=False)
    assert world.balancer.failed(first, Failure.REFUSED, world.now)
    second = world.start(first.exchange)
    assert second.backend is not first.backend
    assert world.failures() == [("refused", True, "not sent")]


@pytest.mark.parametrize("failure", [Failure.RESET, Failure.TIMEOUT])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_method_is_retried_after_sending(method: str, failure: Failure) -> None:
    world = World()
    first = world.start(world.admit(method))
    assert world.balancer.failed(first, failure, world.now)
    assert world.failures() == [(failure.value, True, "idempotent")]


@pytest.mark.parametrize("failure", AFTER_SENDING)
@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
def test_other_methods_are_never_retried_after_sending(method: str, failure: Failure) -> None:
    world = World()
    first = world.start(world.admit(method))
    assert not world.balancer.failed(first, failure, world.now)
    assert world.failures() == [(failure.value, False, "not idempotent")]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_answer_that_breaks_http_is_the_last_whatever_its_twin_does(method: str) -> None:
    """The backend has executed the request, and another one would answer in the same way."""
    world = World(backends=3)
    first = world.start(world.admit(method))
    assert not world.balancer.failed(first, Failure.BAD_RESPONSE, world.now)
    assert world.failures() == [("bad_response", False, "answer begun")]
    assert not first.exchange.replayable


@pytest.mark.parametrize("failure", [Failure.RESET, Failure.TIMEOUT])
@pytest.mark.parametrize(
    ("method", "again"), [("GET", True), ("HEAD", True), ("OPTIONS", True), ("PUT", False), ("DELETE", False)]
)
def test_once_an_answer_has_begun_only_a_safe_method_is_tried_elsewhere(
    method: str, again: bool, failure: Failure
) -> None:
    world = World()
    first = world.start(world.admit(method))
    first.exchange.response_begun = True
    assert world.balancer.failed(first, failure, world.now) is again
    assert world.failures() == [(failure.value, again, "idempotent" if again else "answer begun")]


def test_an_idempotency_key_does_not_repeat_what_has_begun_to_be_answered() -> None:
    world = World()
    first = world.start(world.admit("POST", key=True))
    first.exchange.response_begun = True
    assert not world.balancer.failed(first, Failure.RESET, world.now)


def test_a_gateway_error_whose_head_came_in_two_pieces_is_still_no_execution() -> None:
    world = World()
    first = world.start(world.admit("PUT"))
    first.exchange.response_begun = True
    assert not world.balancer.answered(first, 503, world.now), "tried elsewhere"


def test_an_idempotency_key_opts_a_post_in() -> None:
    world = World()
    first = world.start(world.admit("POST", key=True))
    assert world.balancer.failed(first, Failure.RESET, world.now)


def test_nothing_is_retried_once_the_client_has_seen_a_byte() -> None:
    world = World()
    first = world.start()
    assert world.balancer.answered(first, 200, world.now)
    first.exchange.responding = True
    assert not world.balancer.failed(first, Failure.TRUNCATED, world.now)
    assert world.failures() == [("truncated", False, "responding")]


def test_nothing_is_retried_once_its_body_is_gone() -> None:
    world = World()
    first = world.start(world.admit("PUT"))
    first.exchange.replayable = False
    assert not world.balancer.failed(first, Failure.RESET, world.now)
    assert world.failures() == [("reset", False, "not replayable")]


def test_no_more_attempts_than_allowed() -> None:
    world = World(backends=5)
    exchange = world.admit()
    for more in (True, True, False):
        assert world.balancer.failed(world.start(exchange), Failure.RESET, world.now) is more
    assert len(exchange.tried) == 3
    assert world.failures()[-1] == ("reset", False, "attempts")


def test_refused_connections_are_no_attempts() -> None:
    """Four of five replicas stop at once (a scale-down): after four refusals even a POST reaches the fifth."""
    world = World(backends=5)
    world.serve(50)
    exchange = world.admit("POST")
    for _ in range(4):
        assert world.balancer.failed(world.start(exchange, sent=False), Failure.REFUSED, world.now)
    assert world.answer(world.start(exchange))
    assert len(exchange.tried) == 5


def test_a_retry_never_goes_where_the_exchange_has_been() -> None:
    world = World(backends=2)
    exchange = world.admit()
    assert world.balancer.failed(world.start(exchange), Failure.RESET, world.now)
    assert not world.balancer.failed(world.start(exchange), Failure.RESET, world.now)
    assert {backend.id for backend in exchange.tried} == {"api-1", "api-2"}
    assert world.failures()[-1] == ("reset", False, "no other backend")


def test_past_its_deadline_an_exchange_is_not_tried_again() -> None:
    world = World()
    first = world.start()
    world.now += Settings().retry.total_timeout
    assert not world.balancer.failed(first, Failure.TIMEOUT, world.now)
    assert world.failures() == [("timeout", False, "deadline")]
    assert world.refused(first.exchange) == Refusal(504, "deadline")


def test_a_spent_budget_ends_the_retries_and_says_so() -> None:
    world = World(settings=Settings(retry=RetrySettings(budget_ratio=0.0, budget_min_per_s=0.1)))  # one in 10 s
    verdicts = [world.balancer.failed(world.start(), Failure.RESET, world.now) for _ in range(3)]
    assert verdicts == [True, False, False]
    assert world.failures()[-1] == ("reset", False, "budget")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_error_is_not_forwarded_while_another_backend_can_be_tried(status: int) -> None:
    world = World()
    first = world.start()
    assert not world.balancer.answered(first, status, world.now)
    assert world.in_flight == 0
    assert world.answer(world.start(first.exchange))
    assert world.failures() == [("gateway", True, "idempotent")]


def test_the_last_gateway_error_is_the_answer() -> None:
    world = World(backends=2)
    exchange = world.admit()
    assert not world.balancer.answered(world.start(exchange), 503, world.now)
    second = world.start(exchange)
    assert world.balancer.answered(second, 502, world.now)
    world.balancer.completed(second, world.now)
    assert world.failures()[-1] == ("gateway", False, "no other backend")
    assert world.in_flight == 0


def test_a_posts_gateway_error_is_the_answer_at_once() -> None:
    """It may have been executed behind that gateway."""
    world = World()
    assert world.balancer.answered(world.start(world.admit("POST")), 503, world.now)


@pytest.mark.parametrize("status", [200, 204, 304, 404, 429, 500, 501])
def test_other_statuses_are_answers(status: int) -> None:
    world = World()
    assert world.balancer.answered(world.start(), status, world.now)
    assert world.failures() == []


def test_in_a_total_outage_upstream_attempts_stay_within_the_budget() -> None:
    """200 requests/s for 30 s, every attempt refused: at most 1.2 × the requests and the minimum of a window more."""
    settings = Settings()
    world = World(settings=settings)
    requests = attempts = 0
    for _ in range(6000):
        exchange = world.admit()
        requests += 1
        step = world.balancer.next(exchange, world.now)
        while not isinstance(step, Refusal):
            attempts += 1
            if not world.balancer.failed(step, Failure.REFUSED, world.now):  # type: ignore[arg-type] # nothing queues
                break
            step = world.balancer.next(exchange, world.now)
        world.now += 0.005
        world.balancer.tick(world.now)
    reserve = settings.retry.budget_min_per_s * (30 + settings.retry.budget_window)
    assert requests < attempts <= 1.2 * requests + reserve


def test_a_backend_is_not_blamed_for_an_attempt_that_the_deadline_cut_short() -> None:
    world = World(settings=replace(Settings(), retry=RetrySettings(hedge=False)))
    exchange = world.admit()
    world.now = exchange.deadline - 0.010
    attempt = world.start(exchange)
    world.now = exchange.deadline
    before = len(world.events)
    assert not world.balancer.failed(attempt, Failure.TIMEOUT, world.now)
    assert [type(event).__name__ for event in world.events[before:]] == ["AttemptFailed"]
