"""`python -m lb.bench [--rounds N] [--check]`: what a request costs in our own code, and whether that has grown."""

from __future__ import annotations

import argparse
import sys

from ..process.runtime import describe_build, is_compiled
from . import log_cost
from .request_cost import Cost, measure

BASELINES = {False: 18.0, True: 4.5}
"""Yardsticks a request, not compiled and compiled, as measured at the last change that was meant to move them."""
TOLERANCE = 1.25
"""What noise and differences between interpreters may add. A regression that is worth to be seen is larger."""


LOGGED_US = 5.0
"""The most that metrics and the access log may cost a request together, every request logged."""


def main() -> int:
    """0; 1 when `--check` finds a cost above its limit."""
    parser = argparse.ArgumentParser(prog="lb.bench", description="CPU time of one request, without sockets.")
    parser.add_argument("--rounds", type=int, default=15, help="of 2,000 requests; the least counts")
    parser.add_argument("--check", action="store_true", help="fail when the cost has grown beyond the baseline")
    options = parser.parse_args()
    rounds = max(1, options.rounds)
    cost = measure(rounds)
    all_us, few_us = log_cost.measure(rounds, 1.0), log_cost.measure(rounds, 0.01)
    sys.stdout.write(f"{told(cost)}\n")
    sys.stdout.write(
        f"{all_us:.1f} us of metrics and access log where all requests are logged (at most {LOGGED_US:g}), "
    )
    sys.stdout.write(f"{few_us:.1f} us where one in a hundred is\n")
    return int(options.check and (cost.ratio > allowed() or all_us > LOGGED_US))


def allowed() -> float:
    """The most yardsticks that `--check` lets a request cost."""
    return BASELINES[is_compiled()] * TOLERANCE


def told(cost: Cost) -> str:
    """One line."""
    return (
        f"{cost.request_us:.1f} us CPU a request, {cost.ratio:.2f} x the yardstick of {cost.yardstick_us:.1f} us "
        f"(at most {allowed():.1f} x); {describe_build()}"
    )


if __name__ == "__main__":
    sys.exit(main())
