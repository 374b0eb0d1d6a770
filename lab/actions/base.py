"""What every action declares, and what it may do to a lab."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol

from ..errors import EnvironmentProblemError
from ..identity import Identity
from ..polling import until

POLL_S = 0.02
UP_WITHIN_S = 20.0
Json = dict[str, Any]


class Needs(Enum):
    """The part of a lab that an action requires."""

    ADMIN = "the balancer's admin API"
    RUNTIME = "control of the runtime"
    OPERATIONS = "an operator of its balancer"


@dataclass(frozen=True, slots=True)
class Call:
    """One use of an action in a run."""

    backends: tuple[str, ...]
    """Ids that the balancer has for the target; empty if the action does not apply to a single backend."""
    duration_s: float
    value: float
    """Value of the step's field `Action.value_field`; 0 if it has none."""
    force: bool
    """Whether to permit it on the last healthy backend."""


class OperatedLab(Protocol):
    """What an action can do to a running lab (see `lab.run.operator_actions`). All methods may raise LabError."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the backends at the run's start, sorted."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Id of each backend → its weight at the run's start."""

    async def adjust(self, backend_id: str, change: Json) -> None:
        """Change a backend through the admin API."""

    async def backends(self) -> list[Json]:
        """Return the balancer's backends."""

    async def identities(self) -> dict[str, Identity]:
        """Return the present identity of each target by its name."""

    async def all_up(self) -> None:
        """Wait until the balancer uses every backend."""

    async def restart(self, target: str, identity: Identity) -> None:
        """Inject the fault `restart`, recorded like any other, and follow it until it is healed."""

    async def scale(self, count: int) -> None:
        """Run this many backends."""

    async def start_backend(self) -> str:
        """Start a backend with a new address; return its name when it is ready. The balancer is not told."""

    async def stop_backend(self, target: str) -> None:
        """Send SIGTERM; return when its requests are complete and it has ended. The balancer is not told."""

    async def add(self, target: str) -> None:
        """Tell the balancer to use a backend that was started."""

    async def replace(self, old: str, new: str) -> None:
        """Tell the balancer to use `new` in place of `old`."""

    async def remove(self, target: str) -> None:
        """Tell the balancer to stop using a backend."""

    async def reload(self) -> None:
        """Let the balancer load its configuration again."""

    async def stop_balancer(self, *, kill: bool) -> None:
        """Send SIGKILL or SIGTERM. Return when the balancer has ended."""

    async def start_balancer(self) -> None:
        """Start the balancer again."""

    async def balancer_answers(self) -> bool:
        """Return whether the balancer's admin port answers."""

    def now(self) -> float:
        """Return the time on the chaos service's clock, in which records are written."""

    def disruption(
        self, target: str, identity: Identity, mechanism: str, *, name: str = "", began: float | None = None
    ) -> Json:
        """Record a disruption like a fault, because it may explain bad requests. Return the record, to be completed.

        `name` is shown in place of the action's name. `began` is when it began, if not now.
        """


class Action(Protocol):
    """One kind of operator action, such as `drain`."""

    @property
    def name(self) -> str:
        """The name in scenarios, after `act:`."""

    @property
    def summary(self) -> str:
        """Description of its effect in one line."""

    @property
    def needs(self) -> Needs:
        """The part of a lab that it requires."""

    @property
    def on_backend(self) -> bool:
        """Whether the action applies to a single backend."""

    @property
    def disrupts(self) -> bool:
        """Whether it may explain a bad request. It is then recorded like a fault."""

    @property
    def timed(self) -> bool:
        """Whether a scenario must give a duration."""

    @property
    def value_field(self) -> Literal["", "to", "weight", "drain"]:
        """The field of a step that contains its value."""

    def takes_s(self, duration_s: float) -> float:
        """Return how long it should take, seconds."""

    async def perform(self, lab: OperatedLab, call: Call) -> None:
        """Perform the action, wait for its duration, and undo it. Raise LabError if the lab refuses."""


class BaseAction:
    """Default values of the declarations of an action."""

    on_backend = False
    disrupts = False
    timed = True
    value_field: Literal["", "to", "weight", "drain"] = ""

    def takes_s(self, duration_s: float) -> float:
        return duration_s


async def wait_for(missing: Callable[[], Awaitable[str]], within_s: float = UP_WITHIN_S) -> None:
    """Wait until `missing` returns an empty string; before that, it returns what is missing.

    Raise EnvironmentProblemError with the last text if the time runs out.
    """
    text = ""

    async def complete() -> bool:
        nonlocal text
        text = await missing()
        return not text

    if not await until(complete, within_s, POLL_S):
        raise EnvironmentProblemError(text)
