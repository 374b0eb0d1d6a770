"""Results of queueing theory that the simulation is compared with. Times are in seconds, rates per second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

Tail = Callable[[float], float]
"""Function of t that returns P(latency > t)."""


def erlang_c(servers: int, offered: float) -> float:
    """Return P(a request has to wait) in M/M/c, for an offered load of `offered` = λ·S < c (Erlang 1917).

    By Erlang B's recursion, which does not overflow: B(0) = 1, B(k) = a·B(k−1) / (k + a·B(k−1)).
    """
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = offered * blocked / (busy + offered * blocked)
    return servers * blocked / (servers - offered * (1.0 - blocked))


def mmc_mean(servers: int, service: float, rate: float) -> float:
    """Return the mean latency of M/M/c: S + C(c, a)·S / (c − a)."""
    offered = rate * service
    return service + erlang_c(servers, offered) * service / (servers - offered)


def mmc_tail(servers: int, service: float, rate: float) -> Tail:
    """Return the tail of the latency of M/M/c: work Exp(1/S), after a wait Exp(c/S − λ) with probability C."""
    waits, busy, drain = erlang_c(servers, rate * service), 1.0 / service, servers / service - rate

    def tail(t: float) -> float:
        if abs(drain - busy) < 1e-9 * busy:
            both = (1.0 + busy * t) * exp(-busy * t)
        else:
            both = (drain * exp(-busy * t) - busy * exp(-drain * t)) / (drain - busy)
        return (1.0 - waits) * exp(-busy * t) + waits * both

    return tail


def round_robin_rate(backends: int, service: float, rate: float) -> float:
    """Return 1 / mean latency of one of N single-server backends that take Poisson arrivals in turn: Eₙ/M/1.

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
    """Return the tail of the latency under two choices as N → ∞ (Mitzenmacher 2001): P(queue ≥ i) = ρ^(2ⁱ − 1).

    An arriving request becomes at least the i-th in the queue if both choices hold i − 1 or more requests: ρ^(2ⁱ − 2).
    As the i-th it stays for i exponential service times.
    """
    places = _places_taken(utilisation)
    exactly: list[float] = [place - after for place, after in zip(places, [*places[1:], 0.0], strict=True)]

    def tail(t: float) -> float:
        x = t / service
        return sum(share * exp(-x) * _poisson_below(place, x) for place, share in enumerate(exactly, 1))

    return tail


def _places_taken(utilisation: float) -> list[float]:
    """Return P(an arriving request becomes at least the i-th in the queue), i ≤ 11. The rest is below 10⁻¹⁷."""
    return [float(utilisation ** (2**i - 2)) for i in range(1, 12)]


def _poisson_below(count: int, mean: float) -> float:
    """Return Σ meanᵏ / k! for k < count. Multiplied by e^(−mean), this is P(`count` service times take longer)."""
    total, term = 0.0, 1.0
    for k in range(count):
        total += term
        term *= mean / (k + 1)
    return total


def two_choices_mean(utilisation: float, service: float) -> float:
    """Return the mean latency under two choices as N → ∞: S·Σ ρ^(2ⁱ − 2) (Mitzenmacher 2001, with d = 2)."""
    return service * sum(_places_taken(utilisation))


def pollaczek_khinchine(service: float, scv: float, rate: float) -> float:
    """Return the mean latency of M/G/1: S + ρ/(1 − ρ) · (1 + C²)/2 · S."""
    utilisation = rate * service
    return service + utilisation / (1.0 - utilisation) * (1.0 + scv) / 2.0 * service


def mixture(parts: Sequence[tuple[float, Tail]]) -> Tail:
    """Return the tail of the latency of all requests, from the (share, tail) of each backend."""
    return lambda t: sum(share * tail(t) for share, tail in parts)


def quantile(tail: Tail, q: float) -> float:
    """Return the latency that a share `q` of the requests does not exceed, by bisection."""
    low, high = 0.0, 1.0
    while tail(high) > 1.0 - q:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if tail(middle) > 1.0 - q else (low, middle)
    return high
