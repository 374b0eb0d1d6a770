from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lb.core.balancer import Balancer, Queued, Refusal, Resume, StartHedge, TimedOut
from lb.core.events import AttemptFailed
from lb.core.exchange import Attempt, Exchange, Failure
from lb.core.policies import POLICIES, UnknownPolicyError
from lb.core.settings import AdmissionSettings, Settings
from tests.support.balancing import World


def test_round_robin_over_all_backends() -> None:
    world = World()
    assert Counter(tried for _ in range(9) for tried in [serve_one(world)]) == {"api-1": 3, "api-2": 3, "api-3": 3}


def serve_one(world: World) -> str:
    attempt = world.start()
    world.answer(attempt)
    return attempt.backend.id


def test_a_killed_backend_fails_no_get() -> None:
    """Every request that is sent to the dead backend is refused there and retried elsewhere, until it is DOWN."""
    world = World()
    world.serve(60)
    for _ in range(60):
        attempt = world.start(sent=False)
        if attempt.backend.id == "api-1":
            assert world.balancer.failed(attempt, Failure.REFUSED, world.now)
            attempt = world.start(attempt.exchange, sent=False)
        world.balancer.sent(attempt, world.now)
        assert world.answer(attempt)
        world.now += 0.005
        world.balancer.tick(world.now)
    assert len(world.failures()) <= 5  # as many as eject, whatever the probes say


def test_a_second_report_about_an_attempt_changes_nothing() -> None:
    world = World()
    attempt = world.start()
    world.balancer.failed(attempt, Failure.RESET, world.now)
    failures = world.failures()
    assert not world.balancer.failed(attempt, Failure.RESET, world.now)
    assert not world.balancer.answered(attempt, 200, world.now)
    assert world.balancer.completed(attempt, world.now) == []
    assert world.balancer.cancelled(attempt, world.now) == []
    assert (world.in_flight, world.failures()) == (0, failures)


def test_the_policy_can_be_changed_while_requests_are_under_way() -> None:
    world = World()
    attempt = world.start()
    world.balancer.use_policy("least_requests")
    world.answer(attempt)
    assert {serve_one(world) for _ in range(3)} == {"api-1", "api-2", "api-3"}
    with pytest.raises(UnknownPolicyError):
        world.balancer.use_policy("fastest")
    assert world.balancer.policy == "least_requests"


def test_an_idle_tick_asks_for_nothing() -> None:
    assert World(backends=50).tick_until(1001.0) == []


class AnySequence(RuleBasedStateMachine):
    """Requests, failures, probes and time in any order, executed the way that the shell does it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.events: list[object] = []
        self.admission = AdmissionSettings(max_in_flight=2, max_queue=3)
        self.running: list[Attempt] = []
        self.queued: list[Exchange] = []
        self.requests = self.attempts = 0
        self.forwarded: Counter[Exchange] = Counter()

    def start_with(self, policy: str, seed: int) -> None:
        self.balancer = Balancer(Settings(policy=policy, admission=self.admission), Random(seed), self.events.append)
        for n in range(3):
            backend = self.balancer.insert(f"api-{n}", "127.0.0.1", 9000 + n, self.now)
            self.balancer.probed(backend, "", 0.002, self.now)

    @precondition(lambda self: not hasattr(self, "balancer"))
    @rule(policy=st.sampled_from(sorted(POLICIES)), seed=st.integers(0, 99))
    def begin(self, policy: str, seed: int) -> None:
        self.start_with(policy, seed)

    def follow(self, exchange: Exchange, step: Attempt | Queued | Refusal) -> None:
        if isinstance(step, Attempt):
            self.attempts += 1
            self.running.append(step)
        elif isinstance(step, Queued):
            self.queued.append(exchange)

    def next(self, exchange: Exchange) -> None:
        self.follow(exchange, self.balancer.next(exchange, self.now))

    def resume(self, resumed: list[Resume]) -> None:
        for action in resumed:
            self.queued.remove(action.exchange)
            self.follow(action.exchange, action.step)

    def fail(self, attempt: Attempt, failure: Failure) -> None:
        exchange, was_sent = attempt.exchange, attempt.sent is not None
        self.running.remove(attempt)
        if self.balancer.failed(attempt, failure, self.now):
            assert not exchange.responding
            assert exchange.idempotent or not was_sent
            self.next(exchange)

    ready = precondition(lambda self: hasattr(self, "balancer"))
    busy = precondition(lambda self: bool(self.running))

    @ready
    @rule(method=st.sampled_from(["GET", "POST"]))
    def request(self, method: str) -> None:
        self.requests += 1
        self.next(self.balancer.admit(method, self.now, hash_key=b"key"))

    @busy
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        if attempt.sent is None:
            self.balancer.sent(attempt, self.now)

    @busy
    @rule(data=st.data(), status=st.sampled_from([200, 404, 500, 503]))
    def answer(self, data: st.DataObject, status: int) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        if attempt.sent is None or attempt.answered is not None:
            return
        exchange = attempt.exchange
        if self.balancer.answered(attempt, status, self.now):
            self.forwarded[exchange] += 1
            exchange.responding = True
            for twin in [other for other in exchange.attempts if other is not attempt]:
                self.running.remove(twin)
                self.resume(self.balancer.cancelled(twin, self.now))
        else:
            self.running.remove(attempt)
            if not exchange.attempts:
                self.next(exchange)

    @busy
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        if attempt.answered is not None:
            self.running.remove(attempt)
            self.resume(self.balancer.completed(attempt, self.now))

    @busy
    @rule(data=st.data(), failure=st.sampled_from(Failure))
    def fail_one(self, data: st.DataObject, failure: Failure) -> None:
        self.fail(data.draw(st.sampled_from(self.running)), failure)

    @busy
    @rule(data=st.data())
    def client_leaves(self, data: st.DataObject) -> None:
        exchange = data.draw(st.sampled_from(self.running)).exchange
        for attempt in list(exchange.attempts):
            self.running.remove(attempt)
            self.resume(self.balancer.cancelled(attempt, self.now))

    @ready
    @rule(data=st.data(), failure=st.sampled_from(["", "timeout"]))
    def probe(self, data: st.DataObject, failure: str) -> None:
        self.balancer.probed(data.draw(st.sampled_from(list(self.balancer.backends))), failure, 0.002, self.now)

    @ready
    @rule(ticks=st.integers(1, 60))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.now += 0.02
            for action in self.balancer.tick(self.now):
                self.perform(action)

    def perform(self, action: TimedOut | StartHedge | Resume) -> None:
        match action:
            case TimedOut(attempt):
                self.fail(attempt, Failure.TIMEOUT)
            case StartHedge(attempt):
                assert attempt.exchange.idempotent
                assert not attempt.exchange.responding
                self.attempts += 1
                self.running.append(attempt)
            case Resume():
                self.resume([action])

    @invariant()
    def books_balance(self) -> None:
        if not hasattr(self, "balancer"):
            return
        by_backend = Counter(attempt.backend for attempt in self.running)
        for backend in self.balancer.backends:
            assert backend.in_flight == by_backend[backend] <= self.admission.max_in_flight
            assert set(backend.waiting) <= set(self.running)

    @invariant()
    def exchanges_keep_the_rules(self) -> None:
        for exchange in {attempt.exchange for attempt in self.running}:
            assert len(exchange.tried) == len(set(exchange.tried))
            assert exchange.sent <= Settings().retry.max_attempts
            assert 1 <= len(exchange.attempts) <= 2
        assert all(times == 1 for times in self.forwarded.values())
        retry = Settings().retry
        elapsed = self.now - 1000.0 + retry.budget_window
        extra = self.attempts - self.requests
        assert extra <= retry.budget_ratio * self.requests + retry.budget_min_per_s * elapsed

    def teardown(self) -> None:
        """All clients leave: nothing may be left in flight, queued or tracked."""
        if not hasattr(self, "balancer"):
            return
        for _ in range(1000):
            if not self.running:
                break
            self.fail(self.running[0], Failure.RESET)
        self.now += Settings().retry.total_timeout
        for _ in range(3):
            self.time_passes(1)
        assert not self.running
        assert not self.queued
        assert all(backend.in_flight == 0 and not backend.waiting for backend in self.balancer.backends)
        assert not [event for event in self.events if isinstance(event, AttemptFailed) and not event.reason]


AnySequence.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestAnySequence = AnySequence.TestCase
