"""A backend that was down is dialed at an address where nobody listens any more, while its probes know the new one."""

from __future__ import annotations

from typing import Any

from lb.core.backend import State
from lb.core.exchange import Failure
from lb.core.health_record import HealthRecord
from lb.proxy.dialing import Dialing
from tests.mutants.planting import wrap

SCENARIO = "kill"
CAUGHT_BY = ("readmit_within_bound",)


def plant() -> None:
    moved_away = set()

    def noticed(move: Any) -> Any:
        def moved(self: HealthRecord, *rest: Any) -> Any:
            if self.backend.state is State.DOWN:
                moved_away.add(self.backend)
            return move(self, *rest)

        return moved

    def old_address(connect: Any) -> Any:
        async def dialed(self: Any) -> Any:
            if self.attempt.backend in moved_away:
                return self._relay.attempt_failed(self, Failure.REFUSED)
            return await connect(self)

        return dialed

    wrap(HealthRecord, "move", noticed)
    wrap(Dialing, "_connect", old_address)
