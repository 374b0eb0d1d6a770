"""A balancer with a clock that the test moves, and helpers for the events of a request."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from lb.core.backend import Backend
from lb.core.balancer import Balancer, Queued, Refusal
from lb.core.events import AttemptFailed, Event
from lb.core.exchange import Attempt, Exchange
from lb.core.policies import Candidates, Load, Policy, create
from lb.core.settings import Settings


def make_backends(weights: Iterable[float]) -> Candidates:
    return tuple(Backend(f"api-{n}", "127.0.0.1", 9000 + n, weight) for n, weight in enumerate(weights, 1))


def make_exchange(key: bytes = b"", tried: Iterable[Backend] = ()) -> Exchange:
    exchange = Exchange("GET", True, 0.0, 5.0, key)
    exchange.tried += tried
    return exchange


def make_policy(name: str, max_in_flight: int = 1000) -> Policy:
    return create(name, Load(max_in_flight))


def picks(policy: Policy, candidates: Candidates, count: int, rng: Random | None = None, now: float = 0.0) -> list[str]:
    """The ids of `count` picks, each of which is over before the next."""
    rng = rng or Random(1)
    chosen = []
    for _ in range(count):
        backend = policy.pick(candidates, make_exchange(), rng, now)
        assert backend is not None
        policy.released(backend)
        chosen.append(backend.id)
    return chosen


class World:
    """`api-1` … `api-N`, all UP, at `now`."""

    def __init__(self, backends: int = 3, settings: Settings | None = None, seed: int = 1) -> None:
        self.events: list[Event] = []
        self.now = 1000.0
        self.balancer = Balancer(settings or Settings(), Random(seed), self.events.append)
        for number in range(1, backends + 1):
            backend = self.balancer.insert(f"api-{number}", "127.0.0.1", 9000 + number, self.now)
            self.balancer.probed(backend, "", 0.002, self.now)

    def backend(self, backend_id: str) -> Backend:
        return next(backend for backend in self.balancer.backends if backend.id == backend_id)

    def probe_all(self, failure: str = "") -> None:
        for backend in self.balancer.backends:
            self.balancer.probed(backend, failure, 0.002, self.now)

    def admit(self, method: str = "GET", *, key: bool = False) -> Exchange:
        return self.balancer.admit(method, self.now, idempotency_key=key)

    def start(self, exchange: Exchange | None = None, *, sent: bool = True) -> Attempt:
        """The next attempt of the exchange (of a new GET), which must be possible."""
        step = self.balancer.next(exchange or self.admit(), self.now)
        assert isinstance(step, Attempt), step
        if sent:
            self.balancer.sent(step, self.now)
        return step

    def refused(self, exchange: Exchange) -> Refusal:
        step = self.balancer.next(exchange, self.now)
        assert isinstance(step, Refusal), step
        return step

    def queued(self, exchange: Exchange | None = None) -> Exchange:
        exchange = exchange or self.admit()
        assert isinstance(self.balancer.next(exchange, self.now), Queued)
        return exchange

    def answer(self, attempt: Attempt, status: int = 200) -> bool:
        forwarded = self.balancer.answered(attempt, status, self.now)
        if forwarded:
            self.balancer.completed(attempt, self.now)
        return forwarded

    def serve(self, count: int, took: float = 0.002, every: float = 0.005) -> None:
        """`count` GETs, one after the other, all well."""
        for _ in range(count):
            attempt = self.start()
            self.now += took
            self.answer(attempt)
            self.now += every - took
            self.balancer.tick(self.now)

    def tick_until(self, then: float, step: float = 0.01) -> list[object]:
        """Time passes in ticks; answers every action of them."""
        actions: list[object] = []
        while self.now < then:
            self.now = min(then, self.now + step)
            actions += self.balancer.tick(self.now)
        return actions

    @property
    def in_flight(self) -> int:
        return sum(backend.in_flight for backend in self.balancer.backends)

    def failures(self) -> list[tuple[str, bool, str]]:
        """(failure, retried, reason) of every failed attempt so far."""
        return [(e.failure, e.retried, e.reason) for e in self.events if isinstance(e, AttemptFailed)]
