"""What is asked for in one request, and what is answered: one fault on one target or on several."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Tag, WithJsonSchema

from ..drivers.targets import Target
from ..faults import FAULTS, AnyFault
from ..faults.base import Params
from ..inputs.units import DURATION_PATTERN
from .records import Entry, FaultRecord
from .selection import Selector
from .stop_condition import StopWhen


class _KindSchema:
    """Lists the kinds when the schema is made: other packages may have added some by then."""

    @staticmethod
    def __get_pydantic_json_schema__(_: Any, __: Any) -> dict[str, Any]:
        return {"type": "string", "enum": sorted(FAULTS)}


Kind = Annotated[str, _KindSchema]
Duration = Annotated[
    Any, WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["5s", "500ms", "2min"]})
]
"""With its unit; checked by the guard, which says what was expected."""
Wanted = Annotated[
    Annotated[str, Tag("one")] | Annotated[Selector, Tag("several")],
    Discriminator(lambda given: "one" if isinstance(given, str) else "several"),
]


class Order(BaseModel):
    """The body of `POST /faults`."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    target: Wanted
    """A backend's name, or a selection of several."""
    duration: Duration
    params: dict[str, Any] = {}
    allow_last: bool = False
    """Even where no healthy backend would be left."""
    stop_when: StopWhen | None = None


class Placed(BaseModel):
    """The answer to an order for several targets."""

    order: str
    seed: int | None
    """What the choice was made with; the same one chooses the same again."""
    faults: list[FaultRecord]


class Preview(BaseModel):
    """The answer to a dry run: nothing was done."""

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
    """An order that the guard let through."""

    order: Order
    fault: AnyFault
    params: Params
    duration_s: float
    seed: int
    targets: Sequence[Target]
    mechanism: str | None
    """What it would be done by, as far as that is known before."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    @property
    def told_seed(self) -> int | None:
        """The seed, where it had a say."""
        selector = self.order.target
        return self.seed if isinstance(selector, Selector) and selector.chooses else None

    def entries(self) -> list[Entry]:
        """What the journal gets before anything is done, one a target."""
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
            )
            for target in self.targets
        ]

    def preview(self) -> Preview:
        """For a dry run."""
        return Preview(
            kind=self.order.kind,
            targets=[target.name for target in self.targets],
            seed=self.told_seed,
            duration_s=self.duration_s,
            params=self.order.params,
            mechanism=self.mechanism,
            stop_when=self.order.stop_when,
        )


def seed_of(order: Order) -> int:
    """The order's seed; one is drawn where it has none."""
    given = order.target.seed if isinstance(order.target, Selector) else None
    return draw_seed() if given is None else given


def draw_seed() -> int:
    """One that nobody asked for; small enough to be typed again."""
    return secrets.randbelow(2**31)
