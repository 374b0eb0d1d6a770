"""The health machine: where a backend stands, as one table, and how probes move it.

Rules:

(Rule 1) A backend starts UNKNOWN, and nothing but a passed probe makes it UP: one is enough for UNKNOWN (it has no
    record to live down), `rise` in a row for DOWN. `fall` failures in a row take it DOWN. "In a row" is meant: any
    opposite result starts the count again. Two settings bend this for a new backend: `assume_up` makes it UP
    unprobed, and `start_phase` overlooks failures for a while, since it may still be booting.
(Rule 2) Traffic can eject an UP backend whose probes pass. An ejection ends by itself, back to UP, because its
    probes kept passing; had they failed, they would have taken it DOWN, and from DOWN only probes lead back. So
    probes have the last word: after a crash, readmission never waits for the rest of an ejection.
(Rule 3) DRAIN and MAINT are the operator's word (DRAIN also discovery's, when a backend leaves): neither probes nor
    traffic move a backend out of them.
(Rule 4) `resume` forgets the past, falls and ejections too: back to UNKNOWN, and one passed probe decides. A backend
    that is UP or UNKNOWN already stays there.
(Rule 5) A pair that is not in the table changes nothing.
(Rule 6) A backend that falls again and again is held DOWN for longer and longer (`FlapDamper`), whatever its probes say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from .backend import State
from .settings import HealthSettings

RECHECK_SHARE: Final = 0.05
"""Noticing that a backend works again takes about so much of the time that it did not. With the default intervals (0.1
and 0.5 s) the first ten seconds take some 50 probes instead of 20; from then on it costs nothing."""


class Cause(StrEnum):
    """What can move a backend."""

    ASSUMED = "assumed up"
    PROBES_PASS = "probes pass"
    PROBES_FAIL = "probes fail"
    TRAFFIC_FAILS = "traffic fails"
    EJECTION_OVER = "ejection over"
    DRAIN = "drain"
    MAINT = "maintenance"
    RESUME = "resume"
    REMOVE = "remove"


_OPERATOR: Final = {Cause.DRAIN: State.DRAIN, Cause.MAINT: State.MAINT, Cause.REMOVE: State.DRAIN}

TABLE: Final[dict[State, dict[Cause, State]]] = {
    State.UNKNOWN: {
        Cause.ASSUMED: State.UP,
        Cause.PROBES_PASS: State.UP,
        Cause.PROBES_FAIL: State.DOWN,
        **_OPERATOR,
    },
    State.UP: {
        Cause.PROBES_FAIL: State.DOWN,
        Cause.TRAFFIC_FAILS: State.EJECTED,
        **_OPERATOR,
    },
    State.DOWN: {
        Cause.PROBES_PASS: State.UP,
        Cause.RESUME: State.UNKNOWN,
        **_OPERATOR,
    },
    State.EJECTED: {
        Cause.PROBES_FAIL: State.DOWN,
        Cause.EJECTION_OVER: State.UP,
        Cause.RESUME: State.UNKNOWN,
        **_OPERATOR,
    },
    State.DRAIN: {
        Cause.MAINT: State.MAINT,
        Cause.RESUME: State.UNKNOWN,
    },
    State.MAINT: {
        Cause.DRAIN: State.DRAIN,
        Cause.REMOVE: State.DRAIN,
        Cause.RESUME: State.UNKNOWN,
    },
}


def move(state: State, cause: Cause) -> State:
    """Where `cause` takes a backend that stands at `state`; the same state where it means nothing (Rule 5)."""
    return TABLE[state].get(cause, state)


@dataclass(frozen=True, slots=True)
class Streak:
    """Results of the same kind in a row: at most one of the two counts is not zero."""

    passes: int = 0
    failures: int = 0

    def observe(self, passed: bool) -> Streak:
        """The streak with one more result; the opposite count starts again (Rule 1)."""
        return Streak(passes=self.passes + 1) if passed else Streak(failures=self.failures + 1)


def verdict(state: State, streak: Streak, settings: HealthSettings) -> Cause | None:
    """What the latest probes in a row say about a backend at `state`, if they say anything yet."""
    if state is not State.DOWN and streak.failures >= settings.fall:
        return Cause.PROBES_FAIL
    if streak.passes >= (settings.rise if state is State.DOWN else 1):
        return Cause.PROBES_PASS
    return None


def in_doubt(state: State, streak: Streak, settings: HealthSettings) -> bool:
    """Whether the latest probes contradict `state` without having changed it yet: time to look closely."""
    if state is State.DOWN:
        return 0 < streak.passes < settings.rise
    return state in (State.UNKNOWN, State.UP, State.EJECTED) and streak.failures > 0


def next_probe_in(state: State, since: float, streak: Streak, settings: HealthSettings, rng: Random) -> float:
    """Seconds from the end of one probe to the start of the next; jitter only adds to it. `since`: seconds at `state`.

    Most backends that go DOWN are back soon, so they are asked often at first: at the fast interval, then as often as
    keeps the wait a `RECHECK_SHARE` of the time that they are DOWN, until that is the interval again.
    """
    if in_doubt(state, streak, settings):
        wait = settings.fast_interval
    elif state is State.DOWN:
        wait = min(settings.interval, max(settings.fast_interval, since * RECHECK_SHARE))
    else:
        wait = settings.interval
    return wait * rng.uniform(1.0, 1.0 + settings.jitter)


@dataclass(slots=True)
class FlapDamper:
    """How much a backend flaps, and how long it is therefore held DOWN (Rule 6)."""

    falls: float = 0.0
    """Recent falls: one more for each, one less for each `flap_forget` seconds spent UP."""
    held_until: float = 0.0
    """Monotonic seconds; before this no pass readmits."""

    def left_up(self, up_for: float, settings: HealthSettings) -> None:
        """The backend leaves UP after `up_for` seconds of good behaviour."""
        self.falls = max(0.0, self.falls - up_for / settings.flap_forget)

    def went_down(self, now: float, settings: HealthSettings) -> None:
        """Count a fall; what it costs is a hold-down: none, then `hold_down` doubling up to `max_hold_down`."""
        self.falls += 1.0
        hold = hold_down(self.falls, settings)
        if hold >= settings.max_hold_down:
            self.falls -= 1.0  # at the cap: counting on would only delay forgiveness
        self.held_until = now + hold


def hold_down(falls: float, settings: HealthSettings) -> float:
    """Seconds that a backend with this many recent falls is held DOWN."""
    excess = falls - settings.flap_limit
    if excess <= 0.0:
        return 0.0
    return min(settings.max_hold_down, settings.hold_down * math.pow(2.0, excess - 1.0))
