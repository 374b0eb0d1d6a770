"""Was traffic before the first fault distributed as the balancer's policy promises?

Shares are tested at a significance of one in a million. The library has about thirty scenarios, and a night of runs
repeats it a hundred times. With 3,000 tests a night, a correct balancer fails about one test in 300 nights. The test
still has power: for the 400 requests of two steady seconds, shares of 50/25/25 % instead of thirds give χ² = 50; the
limit is 27.6.

Round robin does not choose at random, so its χ² is far smaller than the test assumes, and it never fails by chance.
Policies that follow the load (`least_requests`, `p2c`, `peak_ewma`) promise no shares. For them, no backend may get
significantly less than half of an equal share. The policies in `UNPROMISED` are not judged.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from ...evidence.history import Outcome
from ...evidence.record import RunRecord
from ...evidence.verdict import Check, Verdict
from ...services.identification import NOT_KNOWN

NAME = "distribution"
FAILS_WHEN = "undisturbed answers are not spread as the live policy promises (χ², one in a million)"
UNKNOWN_WHEN = (
    "the policy promises no distribution (it picks by key or prefers fast backends), or there were too few requests"
)
SIGNIFICANCE = 1e-6
LEAST_EXPECTED = 5.0
"""Minimum of expected requests in a cell: with fewer, the statistic does not follow the χ² distribution (Cochran)."""
PROPORTIONAL = frozenset({"round_robin", "weighted", "random"})
FOLLOWS_LOAD = frozenset({"least_requests", "p2c", "peak_ewma"})
UNPROMISED = {
    "maglev": "it picks by key",
    "ring_hash": "it picks by key",
    "prequal": "it prefers the fastest backend, so slower ones may get few requests",
}
"""Policies that promise no distribution, each with its reason."""


def check(run: RunRecord) -> Check:
    """Compare each backend's responses between warm-up and first fault with its share."""
    if not run.expect.distribution:
        return Check.not_asserted(NAME)
    if not run.backends_are_known:
        return Check.not_asserted(NAME, NOT_KNOWN)
    policy, weights = _policy(run)
    if not weights:
        return Check(NAME, Verdict.UNKNOWN, "this balancer does not report its backends and their weights")
    if policy in UNPROMISED:
        return Check(NAME, Verdict.UNKNOWN, f"policy {policy} promises no distribution: {UNPROMISED[policy]}")
    if policy not in PROPORTIONAL | FOLLOWS_LOAD:
        return Check(NAME, Verdict.UNKNOWN, f"it is not known which distribution policy {policy} promises")
    counts = _counts(run, weights)
    total = sum(counts.values())
    shares = _shares(weights)
    if total * min(shares.values()) < LEAST_EXPECTED:
        return Check(NAME, Verdict.UNKNOWN, f"only {total} undisturbed requests: too few to tell")
    found = ", ".join(f"{name} {counts[name]} of {total * share:.0f}" for name, share in shares.items())
    if policy in PROPORTIONAL:
        chi2 = sum((counts[name] - total * share) ** 2 / (total * share) for name, share in shares.items())
        p = chi2_survival(chi2, len(shares) - 1)
        text = f"{policy}: {found}; χ² = {chi2:.1f}, p = {p:.2g}, fails below {SIGNIFICANCE:g}"
        return Check(NAME, Verdict.PASS if p >= SIGNIFICANCE else Verdict.FAIL, text)
    starved = [name for name, share in shares.items() if _is_starved(counts[name], total, share / 2)]
    text = f"{policy}: {found}; starved: {', '.join(starved) or 'none'}"
    return Check(NAME, Verdict.FAIL if starved else Verdict.PASS, text)


def _policy(run: RunRecord) -> tuple[str, dict[str, float]]:
    event = run.events.of("lab", "backends")
    listed = event[0].data["backends"] if event else []
    weights = {str(each["id"]): float(each.get("weight", 1.0)) for each in listed}
    policy = run.config.get("policy", "")
    if policy != "weighted" and policy in PROPORTIONAL:
        weights = {name: float(weight > 0) for name, weight in weights.items()}
    return str(policy), {name: weight for name, weight in weights.items() if weight > 0}


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _counts(run: RunRecord, known: Iterable[str]) -> Counter[str]:
    first = min((fault.begun_at for fault in run.faults), default=float("inf"))
    backends = (
        request.backend
        for request in run.measured
        if request.outcome is Outcome.OK and request.ended is not None and request.ended < first
    )
    counts = Counter(backend for backend in backends if backend is not None)
    return Counter({name: counts[name] for name in known})


def _is_starved(count: int, total: int, share: float) -> bool:
    """Return whether the count is too small for a backend with this share of all requests.

    It is too small if the probability of such a count is below SIGNIFICANCE (normal approximation of the binomial
    distribution, with continuity correction)."""
    deviation = math.sqrt(total * share * (1 - share))
    z = (count + 0.5 - total * share) / deviation if deviation else 0.0
    return 0.5 * math.erfc(-z / math.sqrt(2)) < SIGNIFICANCE


def chi2_survival(x: float, freedom: int) -> float:
    """Return P(χ² > x) for whole degrees of freedom ≥ 1, by the recurrence of Abramowitz & Stegun 26.4.8."""
    if freedom < 1:
        return 1.0
    if freedom % 2 == 0:
        term, start = math.exp(-x / 2), 2
        p = term
    else:
        term, start = math.sqrt(2 * x / math.pi) * math.exp(-x / 2), 3
        p = math.erfc(math.sqrt(x / 2)) + (term if freedom > 1 else 0.0)
    for degree in range(start, freedom - 1, 2):
        term *= x / degree
        p += term
    return min(1.0, p)
