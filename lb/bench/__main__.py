"""`python -m lb.bench [--rounds N] [--check]`: measure the cost of a request, and check that it has not grown."""

from __future__ import annotations

import argparse
import sys

from ..process.runtime import describe_build, is_compiled
from . import log_cost
from .request_cost import Cost, measure

BASELINES = {False: 18.0, True: 4.5}
"""Cost of a request in multiples of the yardstick, for plain (False) and compiled modules (True), as measured at the
last intended change."""
TOLERANCE = 1.25
"""Factor for noise and for differences between interpreters. Regressions that matter are larger."""


LOGGED_US = 5.0
"""Upper limit of the cost of metrics and access log, in microseconds per request, if every request is logged."""


def main() -> int:
    """Return 0, or 1 if `--check` finds a cost above its limit."""
    parser = argparse.ArgumentParser(prog="lb.bench", description="CPU time of one request, without sockets.")
    parser.add_argument(
        "--rounds", type=int, default=15, help="rounds of 2,000 requests; the lowest cost counts (default: 15)"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if the cost exceeds the baseline")
    options = parser.parse_args()
    rounds = max(1, options.rounds)
    cost = measure(rounds)
    all_us, few_us = log_cost.measure(rounds, 1.0), log_cost.measure(rounds, 0.01)
    sys.stdout.write(f"{summary(cost)}\n")
    sys.stdout.write(f"{all_us:.1f} us of metrics and access log if all requests are logged (at most {LOGGED_US:g}), ")
    sys.stdout.write(f"{few_us:.1f} us if one in a hundred is\n")
    return int(options.check and (cost.ratio > allowed() or all_us > LOGGED_US))


def allowed() -> float:
    """Return the highest cost of a request that `--check` accepts, in multiples of the yardstick."""
    return BASELINES[is_compiled()] * TOLERANCE


def summary(cost: Cost) -> str:
    """Format the result as one line."""
    return (
        f"{cost.request_us:.1f} us CPU a request, {cost.ratio:.2f} x the yardstick of {cost.yardstick_us:.1f} us "
        f"(at most {allowed():.1f} x); {describe_build()}"
    )


if __name__ == "__main__":
    sys.exit(main())
