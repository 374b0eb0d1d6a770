"""Who may be picked: the snapshot that policies work on, and the panic when nobody is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from .backend import Backend, State
from .decisions import Picture, picture_of
from .events import Emit, PanicChanged

_LAST_RESORT: Final = (State.DOWN, State.EJECTED)
_OUT_OF_SERVICE: Final = (State.DRAIN, State.MAINT)
LARGE: Final = 256
"""From so many backends on, one that comes UP waits for the next tick to be used (`settle`). A snapshot and the tables
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
        self._standing_at: Counter[State] = Counter()
        self._usable: tuple[Backend, ...] | None = ()
        self._picture: Picture | None = None
        self._arrivals = False

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
            up = self._at((State.UP,))
            serving = tuple(backend for backend in up if backend.weight > 0.0) or up
            trusted = tuple(backend for backend in serving if not backend.suspected)
            self._usable = trusted or serving or (self._at(_LAST_RESORT) if self._open_in_panic else ())
        return self._usable

    @property
    def picture(self) -> Picture:
        """How all backends stand: like `usable`, the same object until something changes."""
        if self._picture is None:
            self._picture = picture_of(self.usable, self._backends)
        return self._picture

    @property
    def up(self) -> int:
        """How many backends are UP."""
        return self._standing_at[State.UP]

    @property
    def ejected(self) -> int:
        """How many backends are EJECTED."""
        return self._standing_at[State.EJECTED]

    @property
    def in_service(self) -> int:
        """How many backends are neither DRAIN nor MAINT."""
        return len(self._backends) - sum(self._standing_at[state] for state in _OUT_OF_SERVICE)

    def add(self, backend: Backend, now: float) -> None:
        """The backend is known from now on."""
        self._backends[backend] = None
        self._standing_at[backend.state] += 1
        self._picture = None  # and nothing else: it is UNKNOWN, which nobody may pick

    def drop(self, backend: Backend, now: float) -> None:
        """The backend is gone."""
        del self._backends[backend]
        self._standing_at[backend.state] -= 1
        self.changed(now)

    def moved(self, old: State, new: State, now: float) -> None:
        """A backend stands elsewhere."""
        self._standing_at[old] -= 1
        self._standing_at[new] += 1
        if new is State.UP and self.up > LARGE:
            self._arrivals = True
        else:
            self.changed(now)

    def settle(self, now: float) -> None:
        """Use those that came UP since the last tick."""
        if self._arrivals:
            self._arrivals = False
            self.changed(now)

    def changed(self, now: float) -> None:
        """Something that a policy may depend on is different: standing, suspicion, weight."""
        self.version += 1
        self._usable = self._picture = None
        panic = not self.up and any(self._standing_at[state] for state in _LAST_RESORT)
        if panic != self.panic:
            self.panic = panic
            self._emit(PanicChanged(now, "", panic))

    def _at(self, states: Iterable[State]) -> tuple[Backend, ...]:
        return tuple(backend for backend in self._backends if backend.state in states)
