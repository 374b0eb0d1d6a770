"""The health state machine of a backend as one table, and the effect of probes on it.

Rules:

(Rule 1) A backend starts UNKNOWN, and only a passed probe makes it UP: one pass from UNKNOWN, `rise` passes in a row
    from DOWN. `fall` failures in a row take it DOWN. Any opposite result restarts the count. Two settings change this
    for a new backend: `assume_up` makes it UP without a probe, and `start_phase` ignores failures for a while, because
    the backend may still be booting.
(Rule 2) Traffic can eject an UP backend whose probes pass. An ejection ends by itself, back to UP, because its probes
    kept passing. If they fail during the ejection, the backend goes DOWN, and only probes lead back from DOWN. So
    readmission after a crash never waits for the rest of an ejection.
(Rule 3) Only the operator (and for DRAIN also discovery, when a backend is removed) decides on DRAIN and MAINT: neither
    probes nor traffic move a backend out of them.
(Rule 4) `resume` discards the history, including counted falls and ejections. The backend becomes UNKNOWN, and one
    passed probe makes it UP. A backend that is UP or UNKNOWN already stays in its state.
(Rule 5) A pair of state and cause that is not in the table changes nothing.
(Rule 6) A backend that goes DOWN repeatedly is held DOWN for longer and longer (`FlapDamper`), even if its probes pass.
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
"""Recheck interval of a DOWN backend as a fraction of the time spent DOWN. With the default intervals (0.1 and 0.5 s)
the first ten seconds take some 50 probes instead of 20; after that there is no extra cost."""


class Cause(StrEnum):
    """Causes of a change of state."""

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
    """Return the state after `cause`; the same state if the pair is not in the table (Rule 5)."""
    return TABLE[state].get(cause, state)


@dataclass(frozen=True, slots=True)
class Streak:
    """Number of consecutive equal probe results. At most one of the two counts is not zero."""

    passes: int = 0
    failures: int = 0

    def observe(self, passed: bool) -> Streak:
        """Return the streak with one more result; the opposite count restarts (Rule 1)."""
        return Streak(passes=self.passes + 1) if passed else Streak(failures=self.failures + 1)


def cause_of(state: State, streak: Streak, settings: HealthSettings) -> Cause | None:
    """Return the cause of a state change that the latest probe results are enough for, or None."""
    if state is not State.DOWN and streak.failures >= settings.fall:
        return Cause.PROBES_FAIL
    if streak.passes >= (settings.rise if state is State.DOWN else 1):
        return Cause.PROBES_PASS
    return None


def in_doubt(state: State, streak: Streak, settings: HealthSettings) -> bool:
    """Return whether the latest probes contradict `state` without having changed it. If so, probes are faster."""
    if state is State.DOWN:
        return 0 < streak.passes < settings.rise
    return state in (State.UNKNOWN, State.UP, State.EJECTED) and streak.failures > 0


def next_probe_in(state: State, since: float, streak: Streak, settings: HealthSettings, rng: Random) -> float:
    """Return the seconds from the end of one probe to the start of the next. `since` is the time in `state`, in
    seconds.

    Jitter only lengthens the wait. Most DOWN backends recover soon, so the interval starts at `fast_interval` and then
    grows as `RECHECK_SHARE` of the time spent DOWN, up to `interval`.
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
    """Counts how often a backend goes DOWN, and holds it DOWN for longer if that happens often (Rule 6)."""

    falls: float = 0.0
    """Number of recent falls. It decreases by one for each `flap_forget` seconds spent UP."""
    held_until: float = 0.0
    """Monotonic seconds. A passed probe does not readmit the backend before this time."""

    def left_up(self, up_for: float, settings: HealthSettings) -> None:
        """Reduce the count, because the backend was UP for `up_for` seconds until now."""
        self.falls = max(0.0, self.falls - up_for / settings.flap_forget)

    def went_down(self, now: float, settings: HealthSettings) -> None:
        """Count a fall and start the hold-down: first none, then `hold_down` seconds, doubling up to
        `max_hold_down`."""
        self.falls += 1.0
        hold = hold_down(self.falls, settings)
        if hold >= settings.max_hold_down:
            self.falls -= 1.0  # at the cap, a higher count would only take longer to decay
        self.held_until = now + hold


def hold_down(falls: float, settings: HealthSettings) -> float:
    """Return the seconds for which a backend with this many recent falls is held DOWN."""
    excess = falls - settings.flap_limit
    if excess <= 0.0:
        return 0.0
    return min(settings.max_hold_down, settings.hold_down * math.pow(2.0, excess - 1.0))
