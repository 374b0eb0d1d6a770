"""The states of a fault, the transitions between them, and the record that is published.

    injecting ──▶ active ──▶ healing ──▶ healed
        │                      ▲ │
        └──────────────────────┘ └─────▶ failed ──▶ healing …

`injecting → healing` is an injection that failed or was interrupted by a crash. It is undone, because it may have taken
effect. `failed` means that the undo failed; it is tried again, so only `healed` is final.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel


class State(StrEnum):
    """State of a fault."""

    INJECTING = "injecting"
    ACTIVE = "active"
    HEALING = "healing"
    HEALED = "healed"
    FAILED = "failed"


NEXT: dict[State, frozenset[State]] = {
    State.INJECTING: frozenset({State.ACTIVE, State.HEALING}),
    State.ACTIVE: frozenset({State.HEALING}),
    State.HEALING: frozenset({State.HEALED, State.FAILED}),
    State.FAILED: frozenset({State.HEALING}),
    State.HEALED: frozenset(),
}

HealedBy = Literal["expiry", "request", "restart", "reset", "rollback", "stop_condition", "monkey"]


class FaultRecord(BaseModel):
    """The response of `GET /faults/{id}`. `*_mono` are monotonic seconds of the chaos process (see `GET /clock`)."""

    id: str
    order: str = ""
    """Id of the order; the same for all faults of one request."""
    kind: str
    target: str
    params: dict[str, Any]
    """As given in the order, with units."""
    mechanism: str | None = None
    duration_s: float
    state: State = State.INJECTING
    requested_mono: float
    injected_mono: float | None = None
    """When the fault took effect."""
    verified_mono: float | None = None
    bit: bool | None = None
    """Whether the fault had a measurable effect on the target; None if it was healed before that was known."""
    evidence: str | None = None
    heal_started_mono: float | None = None
    healed_mono: float | None = None
    """When a direct probe of the target first passed again. If no probe can tell, because the target was removed, has
    another fault or cannot be probed, when the undo was done."""
    healed_by: HealedBy | None = None
    error: str | None = None


class Entry(BaseModel):
    """One line of the journal: the record, and what a heal after a crash needs."""

    record: FaultRecord
    expires_unix: float
    """When the fault ends, in wall-clock time, because the monotonic clock restarts when the host reboots."""
    undo: dict[str, Any] = {}
    """What the runtime needs to find the same target again, such as a container id."""
    unprobed: str = ""
    """Why no direct probe can reach the target; empty if one can."""

    @property
    def unhealed(self) -> bool:
        """Whether the fault still has to be healed."""
        return self.record.state is not State.HEALED

    def move(self, state: State) -> None:
        """Change to `state`. Raise ValueError if `NEXT` does not allow it."""
        if state not in NEXT[self.record.state]:
            raise ValueError(f"a fault cannot go from {self.record.state} to {state}")
        self.record.state = state
