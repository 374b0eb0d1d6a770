"""What the link faults share: whose packets they act on, how they come and go, and how that is read back."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from pydantic import Field

from ..drivers.probe import Answer, ask
from ..drivers.targets import Injection, LinkTarget
from ..inputs.units import Share
from ..links.impairment import INITIAL_RTO_S, Direction, Impairment
from .base import VERIFY_DEADLINE_S, Before, Params, Verdict

STALL_S = 0.8 * INITIAL_RTO_S
"""A question that took this much longer than before had a packet lost: the shortest retransmission time-out."""
SILENT_S = 0.5
ENOUGH = 0.05
"""Without any stall seen, the fault did not bite if that would have had less than this probability."""
LOOK_EVERY_S = 0.2
SPARE_S = 0.2
"""Before the verdict is due."""
EVERYBODY = "all"


class ScopedParams(Params):
    """Whose packets: `peer` is `all`, `balancer`, a member's name, or several of these with commas between; `port` is
    the service port unless given."""

    peer: str = EVERYBODY
    port: int | None = Field(default=None, ge=1, le=65535)

    @property
    def is_everybodys(self) -> bool:
        """Whether our own questions to the service port meet it, so that its effect can be measured."""
        return self.peer == EVERYBODY and self.port is None

    def scope(self) -> dict[str, Any]:
        """The fields of an Impairment. Peers are names still: the driver knows their addresses."""
        peers = () if self.peer == EVERYBODY else tuple(name.strip() for name in self.peer.split(","))
        return {"peers": peers, "port": self.port}


class ShapedParams(ScopedParams):
    """`direction` as the target sees it; `mechanism` forces one of two."""

    direction: Direction = "out"
    mechanism: Literal["auto", "netem", "nfqueue"] = "auto"

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "direction": self.direction, "mechanism": self.mechanism}


class CorrelatedParams(ShapedParams):
    """`correlation` of each packet's luck with that of the one before."""

    correlation: Share = 0.0

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "correlation": self.correlation}


class LinkFault:
    """One impairment of the target's link."""

    kind: str
    needs = LinkTarget
    mechanism = None

    def impairment(self, params: Any, duration_s: float) -> Impairment:
        """What the driver is asked for."""
        raise NotImplementedError

    async def foresee(self, target: LinkTarget, params: Any, duration_s: float) -> str | None:
        return await target.foresee(self.impairment(params, duration_s))

    async def inject(self, target: LinkTarget, params: Any, duration_s: float) -> Injection:
        return await target.impair(self.impairment(params, duration_s))

    async def heal(self, target: LinkTarget) -> None:
        await target.clear(self.kind)

    async def verify(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """Measured where our questions meet it; else what the mechanism counts."""
        if not params.is_everybodys:
            return await self.read_back(target)
        until = time.monotonic() + VERIFY_DEADLINE_S - SPARE_S
        counting = asyncio.ensure_future(target.read_back())
        try:
            measured = await self.measure(target, params, before)
            # What was measured is not lost where the mechanism's own word is late: a busy host starts an exec for it.
            done, _ = await asyncio.wait([counting], timeout=max(0.0, until - time.monotonic()))
            counted = counting.result() if done else "no answer in time"
            return Verdict(measured.bit, f"{measured.evidence}; read back: {counted}")
        finally:
            counting.cancel()

    async def measure(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """By direct questions."""
        raise NotImplementedError

    async def read_back(self, target: LinkTarget) -> Verdict:
        """In place, and met by at least one packet; None where none came by in time."""
        deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
        while True:
            seen = await target.read_back()
            if self.kind not in seen.mechanisms:
                return Verdict(False, f"read back: {seen}")
            if seen.packets or time.monotonic() > deadline:
                return Verdict(True if seen.packets else None, f"read back: {seen}")
            await asyncio.sleep(LOOK_EVERY_S)


async def find_stall(target: LinkTarget, share: float, before: Before) -> Verdict:
    """Ask until an answer comes late by a retransmission; `share` is the chance of that for each question."""
    address = await target.address()
    deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
    asked = 0
    while time.monotonic() < deadline:
        answer = await ask(address, timeout_s=SILENT_S)
        asked += 1
        if _stalled(answer, before.answer):
            return Verdict(True, f"question {asked} stalled: {answer}")
    by_chance = (1 - share) ** asked
    evidence = f"none of {asked} questions stalled (probability {by_chance:.2g} under what was asked)"
    return Verdict(False if by_chance < ENOUGH else None, evidence)


def _stalled(answer: Answer, before: Answer) -> bool:
    return answer.status is None or answer.took_s - before.took_s >= STALL_S
