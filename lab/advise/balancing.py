"""How many requests a balancing policy sends to a server that fails. Upper limits, with their derivation.

Let N servers of equal weight get λ requests per second, and let a healthy one answer within s (`--response-time`).

**In turn.** Each server gets every Nth request.

**At random, or by a key.** Each request goes to the failed server with probability 1/N, so there is no upper limit. The
values here are exceeded in one of 1000 faults. Keys are assumed to be spread evenly.

**Fewest pending requests.** It matters how the server fails.

- *It fails at once* (kill, refuse, error). It never has pending requests, so it looks idle, and attracts requests. By
  Little's law, at most λ·s requests are pending at the others, which therefore keep at most λ·s of the N−1 others busy.
  The failed server shares the rest of the requests with those that are idle: its share is at most
  1 / (N − min(N−1, λ·s)). That is 1/N if s is small, and 1 (all requests) if the others are never idle. A program that
  compares d servers drawn at random has to draw it first: with probability at most d/N.
- *It hangs* (pause, blackhole). Every request to it stays pending. It gets another one only while it has no more than
  another server. The N−1 others have λ·s pending requests together, so the least busy has at most λ·s/(N−1); hence at
  most K = ⌊λ·s/(N−1)⌋ + 1 requests are pending at the failed server. Each occupies its place until it times out after τ
  (the balancer's time-out or the client's, the shorter one), so that in E seconds it gets at most K·(1 + ⌊E/τ⌋).
  Where d drawn servers are compared, any other server may have all λ·s: K = ⌊λ·s⌋ + 1; and if one server may be drawn
  d times for a request, it also gets (1/N)^d of all requests. Where W processes count for themselves, K has W in place
  of 1.

**The first usable server, and other policies** (such as measured response times) may send all requests to one server.
"""

from __future__ import annotations

import math
from typing import Final

from ..balancers.configuration import Balancing, Policy
from .prediction import Input, Situation

_CERTAIN: Final = 0.999
_DEVIATIONS: Final = 3.1
"""Standard deviations that a normal distribution exceeds in one of 1000 cases."""


def fast_share(balancing: Balancing, situation: Situation) -> float:
    """Return the largest fraction of the requests that go to a server that fails at once."""
    servers = situation.servers
    match balancing.policy:
        case Policy.TURNS | Policy.RANDOM | Policy.KEY:
            return 1 / servers
        case Policy.FEWEST:
            busy = min(servers - 1, situation.rate_per_s * situation.response_s)
            drawn = balancing.draws / servers if balancing.draws else 1.0
            return min(1.0, drawn, 1 / (servers - busy))
    return 1.0


def pending_at_most(balancing: Balancing, situation: Situation) -> int:
    """Return the largest number of requests that a server that hangs has at a time (policy FEWEST)."""
    pending = situation.rate_per_s * situation.response_s
    others = 1 if balancing.draws else max(1, situation.servers - 1)
    return math.floor(round(pending / others, 6)) + balancing.counters


def sent_at_most(
    balancing: Balancing, situation: Situation, exposed_s: float, hangs_s: float | None, *, until_counted: float = 0.0
) -> float:
    """Return the largest number of requests that go to the failed server in `exposed_s` seconds.

    `hangs_s`: how long a request stays pending there; None if it fails at once. `until_counted`: the part of
    `exposed_s` until enough requests have failed to take the server out. Their number is fixed, so in this part the
    server counts with its usual share, even if the policy prefers it.
    """
    rate = situation.rate_per_s
    if balancing.policy is not Policy.FEWEST or hangs_s is None:
        counted = until_counted * situation.per_server
        share = fast_share(balancing, situation)
        sent = counted + (exposed_s - until_counted) * rate * share
        return _with_luck(sent, share) if balancing.by_chance else sent
    slots = pending_at_most(balancing, situation) * (1 + math.floor(exposed_s / hangs_s))
    doubles = rate * exposed_s * situation.servers**-balancing.draws if balancing.repeats else 0.0
    by_slots = slots + (_with_luck(doubles, 0.0) if doubles else 0.0)
    return min(by_slots, exposed_s * rate * (min(1.0, balancing.draws / situation.servers) if balancing.draws else 1.0))


def _with_luck(mean: float, share: float) -> float:
    """Return the number that a random number of requests with this mean exceeds in only one of 1000 faults.

    It is a normal approximation of the binomial distribution.
    """
    return mean + _DEVIATIONS * math.sqrt(mean * (1 - share)) + 1


def gap(situation: Situation, balancing: Balancing, share: float = 1.0, count: int = 1) -> tuple[Input, Input]:
    """Return two times between requests to one server: the mean, and the longest. Only `share` of the requests count.

    Within `count` times the longest, at least `count` such requests arrive; if the policy depends on chance, this holds
    in 999 of 1000 faults.
    """
    only = "" if share == 1.0 else f", of which {share:.0%} count"
    source = f"{situation.servers} servers, {situation.rate_per_s:g} requests/s{only}"
    mean = Input("g", "gap between requests to the server", 1 / (situation.per_server * share), source)
    if not balancing.by_chance or situation.servers == 1:
        return mean, mean
    needed = _requests_for(count, share / situation.servers)
    unlucky = f"{source}; chance makes it longer in 1 of 1000 faults"
    return mean, Input("g'", "gap, if chance is against it", needed / (count * situation.rate_per_s), unlucky)


def _requests_for(count: int, probability: float) -> int:
    """Return the number of requests after which, in 999 of 1000 cases, at least `count` have gone to a server.

    It has a negative binomial distribution, whose terms are summed.
    """
    number, term = count, probability**count
    if not term:  # too small for a float: so many are distributed normally
        return math.ceil((count + _DEVIATIONS * math.sqrt(count * (1 - probability))) / probability)
    done = term
    while done < _CERTAIN:
        number += 1
        term *= (number - 1) / (number - count) * (1 - probability)
        done += term
    return number
