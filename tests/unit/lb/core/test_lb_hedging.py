from __future__ import annotations

from lb.core.balancer import Resume, StartHedge, TimedOut
from lb.core.events import Hedged, Suspected
from lb.core.exchange import Attempt, Failure
from lb.core.settings import AdmissionSettings, RetrySettings, Settings
from tests.support.balancing import World


def hedges_of(actions: list[object]) -> list[Attempt]:
    return [action.attempt for action in actions if isinstance(action, StartHedge)]


def stalled_get(world: World, method: str = "GET", *, key: bool = False) -> Attempt:
    """A request without a response, after enough fast ones to estimate the latency."""
    world.serve(60)
    return world.start(world.admit(method, key=key))


def test_a_stalled_get_is_sent_to_a_second_backend() -> None:
    world = World()
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    assert second.is_hedge
    assert second.exchange is first.exchange
    assert second.backend is not first.backend
    hedged = next(event for event in world.events if isinstance(event, Hedged))
    assert (hedged.backend, hedged.stalled_on) == (second.backend.id, first.backend.id)


def test_the_first_answer_wins_and_the_loser_is_not_blamed() -> None:
    world = World()
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    assert world.balancer.answered(second, 200, world.now)
    world.balancer.cancelled(first, world.now)
    world.balancer.completed(second, world.now)
    assert world.in_flight == 0
    assert world.failures() == []


def test_an_answer_after_the_race_is_dropped() -> None:
    world = World()
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    assert world.balancer.answered(second, 200, world.now)
    assert not world.balancer.answered(first, 200, world.now)
    world.balancer.completed(second, world.now)
    assert world.in_flight == 0


def test_the_slot_of_an_answer_after_the_race_goes_to_the_queue_with_the_next_tick() -> None:
    world = World(backends=2, settings=Settings(admission=AdmissionSettings(max_in_flight=1)))
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    waiting = world.queued()
    assert world.balancer.answered(second, 200, world.now)
    assert not world.balancer.answered(first, 200, world.now)
    resumed = [action.exchange for action in world.tick_until(world.now + 0.01) if isinstance(action, Resume)]
    assert resumed == [waiting]


def test_a_post_is_never_hedged() -> None:
    world = World()
    stalled_get(world, "POST")
    assert not hedges_of(world.tick_until(world.now + 0.9))


def test_a_post_with_an_idempotency_key_is() -> None:
    world = World()
    stalled_get(world, "POST", key=True)
    assert hedges_of(world.tick_until(world.now + 0.2))


def test_there_is_one_hedge_at_a_time() -> None:
    world = World(backends=5)
    stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.5))
    world.balancer.sent(second, world.now)
    assert not hedges_of(world.tick_until(world.now + 0.4))


def test_attempts_and_hedges_together_stay_within_the_maximum() -> None:
    world = World(backends=5, settings=Settings(retry=RetrySettings(max_attempts=2)))
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    assert not world.balancer.failed(second, Failure.RESET, world.now)
    assert not hedges_of(world.tick_until(world.now + 0.5))
    assert not world.balancer.failed(first, Failure.TIMEOUT, world.now)
    assert [reason for _, _, reason in world.failures()] == ["twin running", "attempts"]


def test_switched_off_nothing_is_hedged() -> None:
    world = World(settings=Settings(retry=RetrySettings(hedge=False)))
    stalled_get(world)
    assert not hedges_of(world.tick_until(world.now + 0.9))


def test_without_budget_nothing_is_hedged() -> None:
    world = World(settings=Settings(retry=RetrySettings(budget_ratio=0.0, budget_min_per_s=0.0)))
    stalled_get(world)
    assert not hedges_of(world.tick_until(world.now + 0.9))


def test_a_single_backend_cannot_be_hedged_and_costs_no_budget() -> None:
    world = World(backends=1, settings=Settings(retry=RetrySettings(budget_ratio=0.0, budget_min_per_s=0.1)))
    attempt = stalled_get(world)
    assert not hedges_of(world.tick_until(world.now + 0.9))
    world.balancer.insert("api-2", "127.0.0.1", 9002, world.now)
    world.balancer.probed(world.backend("api-2"), "", 0.002, world.now)
    assert world.balancer.failed(attempt, Failure.RESET, world.now)  # the one retry of ten seconds is still there


def test_a_connection_that_does_not_come_about_is_hedged_too() -> None:
    """`docker kill` leaves a black hole: nothing is ever sent, and the connect time-out is 250 ms away."""
    world = World()
    world.serve(60)
    first = world.start(sent=False)
    (second,) = hedges_of(world.tick_until(world.now + 0.15))
    assert second.backend is not first.backend


def test_a_paused_backends_waiting_requests_are_all_hedged_at_once() -> None:
    """200 requests/s over three backends, one of them paused. As soon as the first request stalls there, all requests
    on the backend are hedged, without waiting for their own thresholds."""
    world = World()
    world.serve(400)
    paused, hedged_at = world.backend("api-1"), 0.0
    held: list[Attempt] = []
    hedges: list[Attempt] = []
    begun = world.now
    while world.now < begun + 0.4:
        attempt = world.start()
        if attempt.backend is paused:
            held.append(attempt)
        else:
            world.answer(attempt)
        world.now += 0.005
        actions = hedges_of(list(world.balancer.tick(world.now)))
        hedged_at = hedged_at or (world.now if actions else 0.0)
        hedges += actions
    assert any(isinstance(event, Suspected) for event in world.events)
    assert {hedge.exchange for hedge in hedges} == {attempt.exchange for attempt in held}
    # The threshold is at most some 60 ms with 2 ms answers, so three backends at 200/s lose 4 or 5 requests to it.
    assert hedged_at - begun < 0.1
    assert len(held) <= 8


def test_a_suspicion_counts_for_those_that_wait_not_long_enough_themselves() -> None:
    world = World()
    world.serve(400)
    held: list[Attempt] = []
    while len(held) < 2:
        attempt = world.start()
        if attempt.backend.id == "api-1":
            held.append(attempt)
            world.now += 0.03
        else:
            world.answer(attempt)
    world.now = held[0].started + 0.045
    world.balancer.tick(world.now)
    hedges = hedges_of(world.tick_until(held[0].started + 0.075, step=0.005))
    assert world.now - held[1].started < 0.05  # the stall floor: by itself, the second one is not suspicious yet
    assert [hedge.exchange for hedge in hedges] == [attempt.exchange for attempt in held]


def test_when_the_balancer_itself_was_held_up_no_attempt_pays_for_it() -> None:
    """After a gap in the ticks answers may lie unread in the sockets; the next tick is soon enough."""
    world = World()
    stalled_get(world)
    world.now += 1.5
    assert not world.balancer.tick(world.now)
    world.now += 0.01
    assert [type(action) for action in world.balancer.tick(world.now)] == [TimedOut]


def test_a_host_that_is_always_late_still_times_attempts_out() -> None:
    world = World()
    attempt = stalled_get(world)
    assert TimedOut(attempt) in world.tick_until(world.now + 2.0, step=0.2)


def test_a_slow_upload_is_not_its_backends_stall() -> None:
    world = World()
    world.serve(60)
    attempt = world.start(world.admit("PUT"), sent=False)
    world.balancer.sent(attempt, world.now, complete=False)
    assert world.tick_until(world.now + 2.0) == []
    assert not attempt.backend.suspected
    world.balancer.sent(attempt, world.now)
    assert hedges_of(world.tick_until(world.now + 0.2))
    assert TimedOut(attempt) in world.tick_until(world.now + 0.82)


def test_an_upload_that_was_begun_is_not_retried_for_methods_that_are_not_idempotent() -> None:
    world = World()
    attempt = world.start(world.admit("POST"), sent=False)
    world.balancer.sent(attempt, world.now, complete=False)
    assert not world.balancer.failed(attempt, Failure.RESET, world.now)


# --- time-outs ---


def test_an_attempt_times_out_once_after_its_per_try_time() -> None:
    world = World(settings=Settings(retry=RetrySettings(hedge=False)))
    attempt = world.start()
    assert TimedOut(attempt) not in world.tick_until(world.now + 0.99)
    assert world.tick_until(world.now + 0.5).count(TimedOut(attempt)) == 1


def test_a_hedged_exchange_whose_first_attempt_times_out_waits_for_the_twin() -> None:
    world = World()
    first = stalled_get(world)
    actions = world.tick_until(world.now + 0.2)
    (second,) = hedges_of(actions)
    world.balancer.sent(second, world.now)
    assert TimedOut(first) in world.tick_until(first.started + 1.02)
    assert not world.balancer.failed(first, Failure.TIMEOUT, world.now)
    assert world.answer(second)
    assert world.in_flight == 0


def test_when_both_have_failed_the_exchange_is_tried_a_third_time() -> None:
    world = World()
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    assert not world.balancer.failed(second, Failure.RESET, world.now)
    assert world.balancer.failed(first, Failure.TIMEOUT, world.now)
    assert world.answer(world.start(first.exchange))
    assert len(first.exchange.tried) == 3


def test_a_gateway_error_of_one_twin_leaves_the_answer_to_the_other() -> None:
    world = World()
    first = stalled_get(world)
    (second,) = hedges_of(world.tick_until(world.now + 0.2))
    world.balancer.sent(second, world.now)
    assert not world.balancer.answered(second, 503, world.now)
    assert first.exchange.attempts == [first]
    assert world.answer(first)


def test_the_deadline_ends_whatever_is_under_way() -> None:
    world = World(settings=Settings(retry=RetrySettings(per_try_timeout=5.0, hedge=False)))
    exchange = world.admit()
    world.tick_until(world.now + 3.0)
    attempt = world.start(exchange, sent=False)
    assert TimedOut(attempt) in world.tick_until(exchange.deadline)


def test_a_response_that_takes_long_after_its_head_is_not_timed_out() -> None:
    world = World()
    attempt = world.start()
    world.balancer.answered(attempt, 200, world.now)
    assert not world.tick_until(world.now + 10.0, step=0.04)
