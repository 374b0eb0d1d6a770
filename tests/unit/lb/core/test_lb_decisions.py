from __future__ import annotations

from dataclasses import replace

from lb.core.backend import State
from lb.core.decisions import Cancelled, Failed, Picked, Refused, Waited
from lb.core.exchange import Failure
from lb.core.settings import AdmissionSettings, Settings
from tests.support.balancing import World


def test_an_ordinary_request_takes_one_step() -> None:
    world = World()
    busy = world.start()
    attempt = world.start()
    world.answer(attempt)
    [step] = attempt.exchange.steps
    assert isinstance(step, Picked)
    assert (step.backend, step.why, step.policy) == (attempt.backend, "policy", "round_robin")
    assert step.loads == tuple(int(one is busy.backend) for one in step.snapshot.usable), "before this one"
    assert step.snapshot.states == tuple((f"api-{n}", State.UP, False) for n in (1, 2, 3))


def test_the_picture_is_the_one_of_the_moment() -> None:
    world = World()
    before = world.start()
    world.balancer.set_state("api-3", State.DRAIN, world.now)
    after = world.start()
    [first], [second] = before.exchange.steps, after.exchange.steps
    assert isinstance(first, Picked)
    assert isinstance(second, Picked)
    assert ("api-3", State.UP, False) in first.snapshot.states
    assert ("api-3", State.DRAIN, False) in second.snapshot.states
    assert [one.id for one in second.snapshot.usable] == ["api-1", "api-2"]
    assert world.start().exchange.steps[0].snapshot is second.snapshot, "one snapshot until somebody moves"  # type: ignore[union-attr]


def test_a_retry_says_what_failed_and_by_which_rule_it_was_repeated() -> None:
    world = World()
    first = world.start()
    assert world.balancer.failed(first, Failure.RESET, world.now)
    second = world.start(first.exchange)
    picked, failed, again = first.exchange.steps
    assert isinstance(picked, Picked)
    assert failed == Failed(world.now, first.backend, "reset", True, "idempotent")
    assert isinstance(again, Picked)
    assert (again.why, again.backend) == ("retry", second.backend)


def test_a_post_that_was_sent_says_why_it_was_not_repeated() -> None:
    world = World()
    attempt = world.start(world.admit("POST"))
    world.balancer.failed(attempt, Failure.TIMEOUT, world.now)
    failed = attempt.exchange.steps[-1]
    assert isinstance(failed, Failed)
    assert (failed.retried, failed.reason) == (False, "not idempotent")


def test_a_hedge_and_the_twin_that_lost() -> None:
    world = World()
    world.serve(30)
    stalled = world.start()
    world.tick_until(world.now + 0.2)
    hedge = stalled.exchange.attempts[-1]
    assert hedge.is_hedge
    assert world.balancer.answered(hedge, 200, world.now)
    world.balancer.cancelled(stalled, world.now)
    story = stalled.exchange.steps
    assert [step.why for step in story if isinstance(step, Picked)] == ["policy", "hedge"]
    assert story[-1] == Cancelled(world.now, stalled.backend)


def test_waiting_and_being_refused_are_steps_too() -> None:
    settings = replace(Settings(), admission=AdmissionSettings(max_in_flight=1, max_queue=1, queue_timeout=0.5))
    world = World(backends=1, settings=settings)
    world.start()
    queued = world.queued()
    world.refused(unlucky := world.admit())
    assert unlucky.steps == [Refused(world.now, 503, "overload")]
    assert queued.steps == [Waited(world.now)]
    world.tick_until(world.now + 0.6)
    assert isinstance(queued.steps[-1], Refused)


def test_nothing_is_kept_where_nobody_may_ask() -> None:
    world = World(settings=replace(Settings(), decisions=0))
    attempt = world.start()
    world.balancer.failed(attempt, Failure.RESET, world.now)
    assert attempt.exchange.steps == []


def test_a_total_outage_is_not_retried() -> None:
    """One attempt may find a backend that works after all; two more would triple the outage."""
    world = World()
    world.serve(600)  # earns a budget of 120 retries
    for _ in range(2):
        world.probe_all("refused")
    assert world.balancer.panic
    attempt = world.start(sent=False)
    assert not world.balancer.failed(attempt, Failure.REFUSED, world.now)
    assert attempt.exchange.steps[-1].reason == "no other backend"  # type: ignore[union-attr]


def test_our_own_want_of_sockets_is_nobodys_fault() -> None:
    world = World()
    for _ in range(20):
        attempt = world.start(sent=False)
        assert not world.balancer.failed(attempt, Failure.EXHAUSTED, world.now)
    assert {backend.state for backend in world.balancer.backends} == {State.UP}
    assert not any(backend.suspected for backend in world.balancer.backends)
    assert {reason for _, _, reason in world.failures()} == {"own sockets exhausted"}
