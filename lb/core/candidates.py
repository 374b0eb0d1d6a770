"""Determines which backends may be picked: the snapshot for policies, and panic if no backend is usable."""

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
"""With more UP backends than this, one that comes UP is used from the next tick on (`admit_arrivals`). A snapshot and
the tables that policies build from it cost O(n), so one for each arrival would make the start of a fleet O(n²)."""


class Rotation:
    """All backends in order of insertion, the number in each state, and the backends that are usable now."""

    def __init__(self, *, open_in_panic: bool, emit: Emit) -> None:
        self.panic = False
        self._open_in_panic = open_in_panic
        self._emit = emit
        self._backends: dict[Backend, None] = {}
        self._count_by_state: Counter[State] = Counter()
        self._usable: tuple[Backend, ...] | None = ()
        self._snapshot: FleetSnapshot | None = None
        self._has_arrivals = False

    def use(self, *, open_in_panic: bool, now: float) -> None:
        """Apply a new panic mode."""
        if open_in_panic != self._open_in_panic:
            self._open_in_panic = open_in_panic
            self.changed(now)

    @property
    def usable(self) -> tuple[Backend, ...]:
        """Backends that may be picked. The same tuple object until something changes.

        These are the backends that are UP and not suspected. If there are none: all that are UP. If there are none of
        those either: with panic mode `open`, the DOWN and EJECTED ones. DRAIN, MAINT and UNKNOWN are never usable.
        Backends with weight 0 are left out while another backend is UP.
        """
        if self._usable is None:
            up = self._in_states((State.UP,))
            serving = tuple(backend for backend in up if backend.weight > 0.0) or up
            trusted = tuple(backend for backend in serving if not backend.suspected)
            self._usable = trusted or serving or (self._in_states(_LAST_RESORT) if self._open_in_panic else ())
        return self._usable

    @property
    def snapshot(self) -> FleetSnapshot:
        """States of all backends for the decision log. The same object until something changes."""
        if self._snapshot is None:
            self._snapshot = take_snapshot(self.usable, self._backends)
        return self._snapshot

    @property
    def up(self) -> int:
        """Number of backends that are UP."""
        return self._count_by_state[State.UP]

    @property
    def ejected(self) -> int:
        """Number of backends that are EJECTED."""
        return self._count_by_state[State.EJECTED]

    @property
    def in_service(self) -> int:
        """Number of backends that are neither in DRAIN nor in MAINT."""
        return len(self._backends) - sum(self._count_by_state[state] for state in _OUT_OF_SERVICE)

    def add(self, backend: Backend, now: float) -> None:
        """Add a backend in state UNKNOWN."""
        self._backends[backend] = None
        self._count_by_state[backend.state] += 1
        self._snapshot = None  # `usable` does not change: the backend is UNKNOWN, which no policy may pick

    def drop(self, backend: Backend, now: float) -> None:
        """Remove a backend."""
        del self._backends[backend]
        self._count_by_state[backend.state] -= 1
        self.changed(now)

    def moved(self, old: State, new: State, now: float) -> None:
        """Record that a backend changed its state."""
        self._count_by_state[old] -= 1
        self._count_by_state[new] += 1
        if new is State.UP and self.up > LARGE_FLEET:
            self._has_arrivals = True
        else:
            self.changed(now)

    def admit_arrivals(self, now: float) -> None:
        """Make the backends usable that came UP since the last tick."""
        if self._has_arrivals:
            self._has_arrivals = False
            self.changed(now)

    def changed(self, now: float) -> None:
        """Discard the cached snapshots after a change of state, suspicion or weight, and enter or leave panic."""
        self._usable = self._snapshot = None
        panic = not self.up and any(self._count_by_state[state] for state in _LAST_RESORT)
        if panic != self.panic:
            self.panic = panic
            self._emit(PanicChanged(now, "", panic))

    def _in_states(self, states: Iterable[State]) -> tuple[Backend, ...]:
        return tuple(backend for backend in self._backends if backend.state in states)
