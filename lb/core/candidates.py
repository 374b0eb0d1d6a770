"""Who may be picked: the snapshot that policies work on, and the panic when nobody is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .backend import Backend, State
from .decisions import FleetSnapshot, take_snapshot
from .events import Emit, PanicChanged

_LAST_RESORT: Final = (State.DOWN, State.EJECTED)
_OUT_OF_SERVICE: Final = (State.DRAIN, State.MAINT)
LARGE_FLEET: Final = 256
"""From so many backends on, one that comes UP waits for the next tick to be used (`admit_arrivals`). A snapshot and the tables
that policies build on it cost O(n); a new one for each arrival would make bringing up a fleet O(n²)."""


class Rotation:
    """All backends in order of insertion, how many stand where, and which of them are usable now."""

    def __init__(self, *, open_in_panic: bool, emit: Emit) -> None:
        self.version = 0
        """Counts changes of `usable` and of weights, so that a policy knows when to rebuild its tables."""
        self.panic = False
        self._open_in_panic = open_in_panic
        self._emit = emit
        self._backends: dict[Backend, None] = {}
        self._count_by_state: Counter[State] = Counter()
        self._usable: tuple[Backend, ...] | None = ()
        self._snapshot: FleetSnapshot | None = None
        self._has_arrivals = False

    def use(self, *, open_in_panic: bool, now: float) -> None:
        """What a panic means from now on."""
        if open_in_panic != self._open_in_panic:
            self._open_in_panic = open_in_panic
            self.changed(now)

    @property
    def usable(self) -> tuple[Backend, ...]:
        """Whom to pick from: the same object until something changes, then made anew when next asked for.

        UP and not suspected, else UP, else – where panic is `open` – DOWN and EJECTED. Never DRAIN, MAINT, UNKNOWN.
        Weight 0 is the operator's word for “nothing new”, to every policy, as long as somebody else is UP.
        """
        if self._usable is None:
            up = self._in_states((State.UP,))
            serving = tuple(backend for backend in up if backend.weight > 0.0) or up
            trusted = tuple(backend for backend in serving if not backend.suspected)
            self._usable = trusted or serving or (self._in_states(_LAST_RESORT) if self._open_in_panic else ())
        return self._usable

    @property
    def snapshot(self) -> FleetSnapshot:
        """How all backends stand: like `usable`, the same object until something changes."""
        if self._snapshot is None:
            self._snapshot = take_snapshot(self.usable, self._backends)
        return self._snapshot

    @property
    def up(self) -> int:
        """How many backends are UP."""
        return self._count_by_state[State.UP]

    @property
    def ejected(self) -> int:
        """How many backends are EJECTED."""
        return self._count_by_state[State.EJECTED]

    @property
    def in_service(self) -> int:
        """How many backends are neither DRAIN nor MAINT."""
        return len(self._backends) - sum(self._count_by_state[state] for state in _OUT_OF_SERVICE)

    def add(self, backend: Backend, now: float) -> None:
        """The backend is known from now on."""
        self._backends[backend] = None
        self._count_by_state[backend.state] += 1
        self._snapshot = None  # and nothing else: it is UNKNOWN, which nobody may pick

    def drop(self, backend: Backend, now: float) -> None:
        """The backend is gone."""
        del self._backends[backend]
        self._count_by_state[backend.state] -= 1
        self.changed(now)

    def moved(self, old: State, new: State, now: float) -> None:
        """A backend stands elsewhere."""
        self._count_by_state[old] -= 1
        self._count_by_state[new] += 1
        if new is State.UP and self.up > LARGE_FLEET:
            self._has_arrivals = True
        else:
            self.changed(now)

    def admit_arrivals(self, now: float) -> None:
        """Use those that came UP since the last tick."""
        if self._has_arrivals:
            self._has_arrivals = False
            self.changed(now)

    def changed(self, now: float) -> None:
        """Something that a policy may depend on is different: standing, suspicion, weight."""
        self.version += 1
        self._usable = self._snapshot = None
        panic = not self.up and any(self._count_by_state[state] for state in _LAST_RESORT)
        if panic != self.panic:
            self.panic = panic
            self._emit(PanicChanged(now, "", panic))

    def _in_states(self, states: Iterable[State]) -> tuple[Backend, ...]:
        return tuple(backend for backend in self._backends if backend.state in states)
