"""All checkers, in the order in which reports show them. The judge and docs/scenarios.md follow this list."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Protocol

from ...evidence.record import RunRecord
from ...evidence.verdict import Check
from ...extensions import CHECKERS as GROUP
from ...extensions import load, points
from . import (
    answered,
    attribution,
    budgets,
    clocks,
    completeness,
    distribution,
    ejections,
    fault_bit,
    generator_lag,
    idempotent_ok,
    latency,
    no_dead_traffic,
    not_vacuous,
    punctuality,
    readmit_within_bound,
    reroute_within_bound,
    retry_budget,
    stickiness,
    truncation,
    work,
)


class Checker(Protocol):
    """The members that the module of a checker has."""

    NAME: str
    """Name of the check in `verdict.json`."""
    FAILS_WHEN: str
    """When the run fails, for the table in docs/scenarios.md (Markdown); `never` if it cannot."""
    UNKNOWN_WHEN: str
    """When the verdict is unknown, for the same table; may be empty."""

    def check(self, run: RunRecord, /) -> Check:
        """Return the result for one run."""


CHECKERS: tuple[Checker, ...] = (
    completeness,
    clocks,
    fault_bit,
    reroute_within_bound,
    readmit_within_bound,
    idempotent_ok,
    budgets,
    latency,
    work,
    truncation,
    no_dead_traffic,
    retry_budget,
    distribution,
    stickiness,
    ejections,
    answered,
    attribution,
    not_vacuous,
    punctuality,
    generator_lag,
)

PRECONDITIONS = frozenset({completeness.NAME, clocks.NAME})
"""Unless these pass, the run is unknown whatever the other checkers find: its record or its times are not reliable."""
SENSITIVE_TO_HOST = frozenset({generator_lag.NAME, attribution.NAME, latency.NAME, ejections.NAME, answered.NAME})
"""Checks that have the result `unknown` only if the host was too busy for a valid measurement."""


@cache
def checkers() -> dict[str, Callable[[RunRecord], Check]]:
    """Return all checkers by name: the built-in ones, then those of other packages.

    Raise EnvironmentProblemError if two have the same name.
    """
    ours: dict[str, Callable[[RunRecord], Check]] = {module.NAME: module.check for module in CHECKERS}
    return ours | load("checker", ours, lambda _, checker: callable(checker), points(GROUP))
