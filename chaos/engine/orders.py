"""Request and response of `POST /faults`: one kind of fault on one target or on several."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, WithJsonSchema

from ..drivers.targets import Target
from ..faults import FAULTS, AnyFault
from ..faults.base import Params
from ..inputs.units import QUANTITIES
from .records import Entry, FaultRecord
from .selection import Selector
from .stop_condition import StopWhen


class _KindSchema:
    """Lists the fault kinds when the schema is generated, because other packages may have added some by then."""

    @staticmethod
    def __get_pydantic_json_schema__(_: Any, __: Any) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(FAULTS)}


Kind = Annotated[str, _KindSchema]
Duration = Annotated[
    Any,
    WithJsonSchema({"type": "string", "pattern": QUANTITIES["duration"].pattern, "examples": ["5s", "500ms", "2min"]}),
]
"""A duration with its unit. The guard checks it, because its error message says what was expected."""
Wanted = Annotated[
    Annotated[str, Tag("one")] | Annotated[Selector, Tag("several")],
    Discriminator(lambda given: "one" if isinstance(given, str) else "several"),
]


class Order(BaseModel):
    """The body of `POST /faults`."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    target: Wanted
    """A backend's name, or a selection of several backends."""
    duration: Duration
    params: dict[str, Any] = {}
    allow_last: bool = False
    """Allow the fault even if no healthy backend is left."""
    stop_when: StopWhen | None = None


class Placed(BaseModel):
    """The response to an order for several targets."""

    order: str
    seed: int | None
    """Seed of the random choice, if there was one; the same seed chooses the same targets."""
    faults: list[FaultRecord]


class Preview(BaseModel):
    """The response to a dry run."""

    dry_run: bool = True
    kind: str
    targets: list[str]
    seed: int | None
    duration_s: float
    params: dict[str, Any]
    mechanism: str | None
    stop_when: StopWhen | None


@dataclass(frozen=True, slots=True)
class Checked:
    """An order that passed all checks."""

    order: Order
    fault: AnyFault
    params: Params
    duration_s: float
    seed: int
    targets: Sequence[Target]
    mechanism: str | None
    """The mechanism, as far as it is known before the injection."""
    unprobed: Mapping[str, str]
    """The names of the targets that no direct probe can reach, each with the reason."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def reported_seed(self) -> int | None:
        """The seed, if the choice of targets depends on it."""
        selector = self.order.target
        return self.seed if isinstance(selector, Selector) and selector.chooses else None

    def entries(self) -> list[Entry]:
        """Return the journal entries to write before the injection, one for each target."""
        now = time.monotonic()
        return [
            Entry(
                record=FaultRecord(
                    id=uuid.uuid4().hex[:12],
                    order=self.id,
                    kind=self.order.kind,
                    target=target.name,
                    params=self.order.params,
                    duration_s=self.duration_s,
                    requested_mono=now,
                ),
                expires_unix=time.time() + self.duration_s,
                undo=target.undo,
                unprobed=self.unprobed.get(target.name, ""),
            )
            for target in self.targets
        ]

    def preview(self) -> Preview:
        """Return the response to a dry run."""
        return Preview(
            kind=self.order.kind,
            targets=[target.name for target in self.targets],
            seed=self.reported_seed,
            duration_s=self.duration_s,
            params=self.order.params,
            mechanism=self.mechanism,
            stop_when=self.order.stop_when,
        )


def seed_of(order: Order) -> int:
    """Return the order's seed, or a new one if it has none."""
    given = order.target.seed if isinstance(order.target, Selector) else None
    return draw_seed() if given is None else given


def draw_seed() -> int:
    """Return a random seed that is short enough to type."""
    return secrets.randbelow(2**31)
