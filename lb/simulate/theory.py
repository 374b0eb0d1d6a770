"""What queueing theory says: the yardstick that the simulation is held against. Times are seconds, rates per second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

Tail = Callable[[float], float]
"""P(latency > t)."""


def erlang_c(servers: int, offered: float) -> float:
    """P(a request has to wait) in M/M/c, for an offered load of `offered` = λ·S < c (Erlang 1917).

    By Erlang B's recursion, which does not overflow: B(0) = 1, B(k) = a·B(k−1) / (k + a·B(k−1)).
    """
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return servers * blocked / (servers - offered * (1.0 - blocked))


def mmc_mean(servers: int, service: float, rate: float) -> float:
    """Mean latency of M/M/c: S + C(c, a)·S / (c − a)."""
    offered = rate * service
    return service + erlang_c(servers, offered) * service / (servers - offered)


def mmc_tail(servers: int, service: float, rate: float) -> Tail:
    """Latency of M/M/c: work Exp(1/S), and with probability C before it a wait Exp(c/S − λ)."""
    waits, busy, drain = erlang_c(servers, rate * service), 1.0 / service, servers / service - rate

    def tail(t: float) -> float:
        if abs(drain - busy) < 1e-9 * busy:
            both = (1.0 + busy * t) * exp(-busy * t)
        else:
            both = (drain * exp(-busy * t) - busy * exp(-drain * t)) / (drain - busy)
        return (1.0 - waits) * exp(-busy * t) + waits * both

    return tail


def round_robin_rate(backends: int, service: float, rate: float) -> float:
    """1 / mean latency of one of N single-server backends that take Poisson arrivals in turn: Eₙ/M/1.

    Latency in GI/M/1 is exponential with rate (1 − σ)/S, where σ solves σ = A*((1 − σ)/S) (Kleinrock 1975, §6.4), and
    every N-th Poisson arrival gives A*(s) = (Λ / (Λ + s))ᴺ for the total rate Λ.
    """
    sigma = 0.5
    for _ in range(10_000):
        settled, sigma = sigma, (rate / (rate + (1.0 - sigma) / service)) ** backends
        if abs(sigma - settled) < 1e-12:
            break
    return (1.0 - sigma) / service


def two_choices_tail(utilisation: float, service: float) -> Tail:
    """Latency under two choices as N → ∞ (Mitzenmacher 2001): P(queue ≥ i) = ρ^(2ⁱ − 1).

    Whoever arrives becomes at least the i-th in line if both choices hold i − 1 or more: ρ^(2ⁱ − 2). As the i-th it
    stays for i exponential pieces of work.
    """
    places = _places_taken(utilisation)
    exactly: list[float] = [place - after for place, after in zip(places, [*places[1:], 0.0], strict=True)]

    def tail(t: float) -> float:
        x = t / service
        return sum(share * exp(-x) * _poisson_below(place, x) for place, share in enumerate(exactly, 1))

    return tail


def _places_taken(utilisation: float) -> list[float]:
    """P(becoming at least the i-th in line) for i = 1, 2, …: the eleventh is 0.99^2046 < 10⁻⁸ even at ρ = 0.99."""
    return [float(utilisation ** (2**i - 2)) for i in range(1, 12)]


def _poisson_below(count: int, mean: float) -> float:
    """Σ meanᵏ / k! for k < count: e^(−mean) times this is the probability that `count` pieces of work take longer."""
    total, term = 0.0, 1.0
    for k in range(count):
        total += term
        term *= mean / (k + 1)
    return total


def two_choices_mean(utilisation: float, service: float) -> float:
    """Mean latency under two choices as N → ∞: S·Σ ρ^(2ⁱ − 2) (Mitzenmacher 2001, with d = 2)."""
    return service * sum(_places_taken(utilisation))


def pollaczek_khinchine(service: float, scv: float, rate: float) -> float:
    """Mean latency of M/G/1: S + ρ/(1 − ρ) · (1 + C²)/2 · S."""
    utilisation = rate * service
    return service + utilisation / (1.0 - utilisation) * (1.0 + scv) / 2.0 * service


def mixture(parts: Sequence[tuple[float, Tail]]) -> Tail:
    """The latency of all requests, from (share, tail) of each backend."""
    return lambda t: sum(share * tail(t) for share, tail in parts)


def quantile(tail: Tail, q: float) -> float:
    """The latency that a share `q` of the requests does not exceed, by bisection."""
    low, high = 0.0, 1.0
    while tail(high) > 1.0 - q:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tail(middle) > 1.0 - q else (low, middle)
    return high
