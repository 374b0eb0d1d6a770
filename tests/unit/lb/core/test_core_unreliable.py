"""Non-idempotent requests avoid an unreliable backend until a probe or a request succeeds on it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.core.backend import Backend, State
from lb.core.events import ProbeWanted
from lb.core.exchange import Attempt, Failure
from lb.core.policies import POLICIES
from lb.core.settings import AdmissionSettings, Settings
from tests.support.balancing import World


def chosen(world: World, method: str, count: int = 12) -> set[str]:
    """Return the backends picked for `count` requests, none of which gets a response."""
    attempts = [world.balancer.next(world.admit(method), world.now) for _ in range(count)]
    assert all(isinstance(attempt, Attempt) for attempt in attempts)
    return {attempt.backend.id for attempt in attempts if isinstance(attempt, Attempt)}


def shaken(world: World) -> Backend:
    """`api-1`, which has closed connections before, does so again."""
    backend = world.backend("api-1")
    world.balancer.closed_early(backend, world.now)
    world.balancer.probed(backend, "", 0.002, world.now)
    world.now += 1.0
    world.balancer.closed_early(backend, world.now)
    assert backend.unreliable
    assert not backend.suspected
    return backend


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_what_must_not_be_repeated_avoids_it_and_what_may_be_does_not(policy: str) -> None:
    world = World(settings=Settings(policy=policy))
    shaken(world)
    assert "api-1" not in chosen(world, "POST", 30)
    if policy not in ("maglev", "ring_hash"):  # all of these have one key
        assert "api-1" in chosen(world, "GET", 30)


@pytest.mark.parametrize("proof", ["probe", "answer"])
def test_a_first_cut_is_reason_enough_to_avoid_a_backend_until_it_shows_that_it_lives(proof: str) -> None:
    world = World()
    under_way, backend = world.start(), world.backend("api-1")
    world.balancer.closed_early(backend, world.now)
    assert backend.suspected
    assert [event.backend for event in world.events if isinstance(event, ProbeWanted)] == ["api-1"]
    if proof == "probe":
        world.balancer.probed(backend, "", 0.002, world.now)
    else:
        world.answer(under_way)
    assert not backend.suspected
    assert not backend.unreliable


def test_where_that_is_a_habit_a_failed_probe_is_the_second_witness() -> None:
    world = World()
    backend = shaken(world)
    assert len([event for event in world.events if isinstance(event, ProbeWanted)]) == 2
    world.balancer.probed(backend, "reset", 0.001, world.now)
    assert backend.suspected


def test_a_backend_that_closes_after_each_answer_keeps_its_share_of_what_may_be_repeated() -> None:
    world = World()
    served = 0
    for _ in range(600):
        attempt = world.start()
        served += attempt.backend.id == "api-1"
        world.now += 0.005
        world.answer(attempt)
        if attempt.backend.id == "api-1":
            world.balancer.closed_early(attempt.backend, world.now)
        world.balancer.tick(world.now)
        world.balancer.probed(world.backend("api-1"), "", 0.002, world.now)
    assert served >= 190


@pytest.mark.parametrize("proof", ["probe", "answer"])
def test_a_passed_probe_and_a_good_answer_steady_it(proof: str) -> None:
    world = World()
    backend = shaken(world)
    if proof == "probe":
        world.balancer.probed(backend, "", 0.002, world.now)
    else:
        world.serve(3)
    assert not backend.unreliable
    assert "api-1" in chosen(world, "POST")


def test_a_request_that_is_cut_shakes_it_and_an_answer_with_an_error_proves_nothing_either_way() -> None:
    world = World()
    failing, resetting = world.start(), world.start()
    world.balancer.failed(resetting, Failure.RESET, world.now)
    world.answer(failing, 500)
    assert [backend.id for backend in world.balancer.backends if backend.unreliable] == [resetting.backend.id]

    late = Attempt(world.admit(), resetting.backend, world.now)
    late.exchange.attempts.append(late)
    world.balancer.answered(late, 500, world.now)
    assert resetting.backend.unreliable


def test_where_all_are_unreliable_nothing_is_refused() -> None:
    world = World()
    for backend in world.balancer.backends:
        world.balancer.closed_early(backend, world.now)
    assert chosen(world, "POST") == {"api-1", "api-2", "api-3"}


def test_an_unreliable_backend_is_better_than_a_queue() -> None:
    world = World(settings=replace(Settings(), admission=AdmissionSettings(max_in_flight=1)))
    shaken(world)
    assert chosen(world, "POST", 3) == {"api-1", "api-2", "api-3"}


def test_a_request_that_was_not_sent_may_end_on_an_unreliable_backend() -> None:
    world = World(backends=2)
    shaken(world)
    exchange = world.admit("POST")
    refused = world.start(exchange, sent=False)
    assert refused.backend.id == "api-2"
    assert world.balancer.failed(refused, Failure.REFUSED, world.now)
    assert world.start(exchange).backend.id == "api-1"


def test_a_pinned_session_stays() -> None:
    world = World()
    shaken(world)
    exchange = world.balancer.admit("POST", world.now, pinned_to="api-1")
    assert world.start(exchange).backend.id == "api-1"


def test_only_one_that_is_up_can_be_shaken() -> None:
    world = World()
    backend = world.backend("api-1")
    world.balancer.set_state("api-1", State.DRAIN, world.now)
    world.balancer.closed_early(backend, world.now)
    assert not backend.unreliable
    world.balancer.remove("api-1", world.now)
    world.balancer.closed_early(backend, world.now)


@given(st.lists(st.sampled_from(["cut", "pass", "good", "bad"]), max_size=20))
def test_a_post_is_always_served_while_somebody_is_up(sequence: list[str]) -> None:
    world = World(backends=2)
    for what in sequence:
        world.now += 0.05
        backend = world.backend("api-1")
        if what == "cut":
            world.balancer.closed_early(backend, world.now)
        elif what == "pass":
            world.balancer.probed(backend, "", 0.002, world.now)
        else:
            world.answer(world.start(), 200 if what == "good" else 500)
        assert world.answer(world.start(world.admit("POST")))
