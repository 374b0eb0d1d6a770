from __future__ import annotations

from lb.core.balancer import Refusal, Resume
from lb.core.exchange import Exchange, Failure
from lb.core.settings import AdmissionSettings, RetrySettings, Settings
from tests.support.balancing import World


def small_world(backends: int = 1, cap: int = 2, queue: int = 2) -> World:
    admission = AdmissionSettings(max_in_flight=cap, max_queue=queue, queue_timeout=1.0, retry_after=2.0)
    return World(backends, Settings(admission=admission, retry=RetrySettings(hedge=False, per_try_timeout=3.0)))


def test_beyond_the_cap_requests_wait_and_beyond_the_queue_they_are_refused() -> None:
    world = small_world()
    running = [world.start() for _ in range(2)]
    world.queued(), world.queued()
    assert world.refused(world.admit()) == Refusal(503, "overload", 2.0)
    assert {attempt.backend.in_flight for attempt in running} == {2}


def test_a_finished_attempt_hands_its_slot_to_the_queue() -> None:
    world = small_world()
    first, _ = world.start(), world.start()
    waiting = world.queued()
    world.balancer.answered(first, 200, world.now)
    (resumed,) = world.balancer.completed(first, world.now)
    assert resumed.exchange is waiting
    assert waiting.attempts == [resumed.step]
    assert world.in_flight == 2


def test_a_cancelled_attempt_does_so_too() -> None:
    world = small_world()
    first, _ = world.start(), world.start()
    waiting = world.queued()
    assert [resumed.exchange for resumed in world.balancer.cancelled(first, world.now)] == [waiting]


def test_the_slot_of_a_failed_attempt_is_handed_out_by_the_next_tick() -> None:
    world = small_world()
    first, _ = world.start(), world.start()
    waiting = world.queued()
    world.balancer.failed(first, Failure.RESET, world.now)
    (action,) = world.balancer.tick(world.now + 0.01)
    assert isinstance(action, Resume)
    assert action.exchange is waiting


def test_the_earliest_deadline_goes_first() -> None:
    world = small_world(queue=3)
    first, _ = world.start(), world.start()
    patient, hurried = world.admit(), world.admit()
    hurried.deadline -= 1.0
    world.queued(patient), world.queued(hurried)
    (resumed,) = world.balancer.cancelled(first, world.now)
    assert resumed.exchange is hurried


def test_nobody_overtakes_the_queue() -> None:
    world = small_world()
    first, _ = world.start(), world.start()
    waiting = world.queued()
    world.balancer.failed(first, Failure.RESET, world.now)  # a free slot that the queue does not know of yet
    world.queued()
    assert [a.exchange for a in world.balancer.tick(world.now + 0.01) if isinstance(a, Resume)] == [waiting]


def test_who_waits_too_long_is_refused() -> None:
    world = small_world()
    world.start(), world.start()
    waiting = world.queued()
    assert not world.tick_until(world.now + 0.99)
    (action,) = world.tick_until(world.now + 0.02)
    assert action == Resume(waiting, Refusal(503, "overload", 2.0))


def test_a_deadline_ends_the_wait_as_well() -> None:
    world = small_world()
    world.start(), world.start()
    waiting = world.admit()
    waiting.deadline = world.now + 0.5
    world.queued(waiting)
    (action,) = world.tick_until(world.now + 0.6)
    assert action == Resume(waiting, Refusal(503, "overload", 2.0))


def test_an_exchange_whose_client_left_is_not_handed_back() -> None:
    world = small_world()
    first, _ = world.start(), world.start()
    gone, waiting = world.queued(), world.queued()
    world.balancer.abandoned(gone)
    assert [resumed.exchange for resumed in world.balancer.cancelled(first, world.now)] == [waiting]


def test_a_hung_backend_at_its_cap_does_not_hold_up_the_others() -> None:
    """Its slots fill and stay full; every later request finds a free backend at once and never queues."""
    world = small_world(backends=3, cap=2, queue=10)
    hung = world.backend("api-1")
    for _ in range(100):
        attempt = world.start()
        if attempt.backend is not hung:
            world.answer(attempt)
    assert (hung.in_flight, world.in_flight) == (2, 2)


def test_a_retry_that_finds_everything_else_full_gives_up() -> None:
    world = small_world(backends=2, cap=1)
    first, _ = world.start(), world.start()
    assert not world.balancer.failed(first, Failure.RESET, world.now)
    assert world.failures() == [("reset", False, "no other backend")]


def test_without_any_backend_there_is_nothing_to_wait_for() -> None:
    world = World(backends=0)
    assert world.refused(world.admit()) == Refusal(503, "no_backend", 1.0)


def test_as_many_go_as_there_are_slots() -> None:
    world = small_world(cap=2, queue=5)
    running = [world.start(), world.start()]
    waiting: list[Exchange] = [world.queued() for _ in range(3)]
    for attempt in running:
        world.balancer.failed(attempt, Failure.RESET, world.now)
    resumed = [action for action in world.balancer.tick(world.now + 0.01) if isinstance(action, Resume)]
    assert [action.exchange for action in resumed] == waiting[:2]
