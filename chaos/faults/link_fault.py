"""What the link faults share: whose packets they act on, how they come and go, and how that is read back.

A kind names one `effect` (`chaos.links.impairment.Effect`) and gives its numbers in `effects()`; several kinds may use
one effect, so a new kind needs a file here and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from pydantic import Field

from ..drivers.probe import Answer, ask
from ..drivers.targets import Injection, LinkTarget
from ..inputs.units import Share
from ..links.impairment import INITIAL_RTO_S, Direction, Effect, Impairment
from ..links.mechanisms import RELAY, RELAY_LACKS, kernel_mechanisms
from .base import VERIFY_DEADLINE_S, Before, Params, Support, Verdict

STALL_S = 0.8 * INITIAL_RTO_S
"""An answer that took this much longer than before had a packet lost: the shortest retransmission time-out."""
SILENT_S = 0.5
ENOUGH = 0.05
"""Without any stall seen, the fault did not take effect if that would have had less than this probability."""
LOOK_EVERY_S = 0.2
SPARE_S = 0.2
"""Left before the verdict is due, seconds."""
EVERYBODY = "all"


class ScopedParams(Params):
    """Parameters that select the impaired packets."""

    peer: str = EVERYBODY
    """`all`, `balancer`, a member's name or role, or several of these with commas between. Docker only."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Another port than the service port. Docker only."""

    @property
    def is_everybodys(self) -> bool:
        """Whether our own probes of the service port are impaired too, so that the effect can be measured."""
        return self.peer == EVERYBODY and self.port is None

    def scope(self) -> dict[str, Any]:
        """Return fields of an Impairment. Peers are still names: the driver knows their addresses."""
        return {"peers": () if self.peer == EVERYBODY else peer_names(self.peer), "port": self.port}


class ShapedParams(ScopedParams):
    """Which packets are impaired, and by what."""

    direction: Direction = "out"
    """As the target sees it: `out` is what leaves it."""
    mechanism: Literal["auto", "netem", "nfqueue"] = "auto"
    """One by force; where it is impossible the answer says what is possible."""

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "direction": self.direction, "mechanism": self.mechanism}


class CorrelatedParams(ShapedParams):
    """For effects that are random for each packet."""

    correlation: Share = 0.0
    """How much each packet's random number depends on the one before, as in tc-netem(8)."""

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "correlation": self.correlation}


def peer_names(peer: str) -> tuple[str, ...]:
    """Return the names in a `peer` parameter."""
    return tuple(name.strip() for name in peer.split(","))


class LinkFault:
    """One impairment of the target's link."""

    kind: str
    effect: Effect
    """What it does to packets; two faults with the same effect on one target conflict."""
    needs = LinkTarget

    @property
    def support(self) -> Support:
        """The mechanisms follow from the effect."""
        lacking = RELAY_LACKS.get(self.effect, "")
        return Support(kernel_mechanisms(self.effect), "" if lacking else RELAY, lacking)

    def effects(self, params: Any) -> dict[str, Any]:
        """Return the fields of the Impairment that say what happens to packets."""
        raise NotImplementedError

    def impairment(self, params: Any, duration_s: float) -> Impairment:
        """Return the impairment for the driver."""
        scope = params.scope() if isinstance(params, ScopedParams) else {}
        return Impairment(self.kind, duration_s, effect=self.effect, **{**scope, **self.effects(params)})

    async def preview_mechanism(self, target: LinkTarget, params: Any, duration_s: float) -> str | None:
        return await target.preview_mechanism(self.impairment(params, duration_s))

    async def inject(self, target: LinkTarget, params: Any, duration_s: float) -> Injection:
        return await target.impair(self.impairment(params, duration_s))

    async def heal(self, target: LinkTarget) -> None:
        await target.clear(self.kind)

    async def verify(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """Measure where our own probes are impaired too; elsewhere read the mechanism's counters."""
        if not params.is_everybodys:
            return await self.read_back(target)
        until = time.monotonic() + VERIFY_DEADLINE_S - SPARE_S
        counting = asyncio.ensure_future(target.read_back())
        try:
            measured = await self.measure(target, params, before)
            # The measurement counts even where the counters come late: a busy host starts a `docker exec` for them.
            done, _ = await asyncio.wait([counting], timeout=max(0.0, until - time.monotonic()))
            counted = counting.result() if done else "no answer in time"
            return Verdict(measured.bit, f"{measured.evidence}; read back: {counted}")
        finally:
            counting.cancel()

    async def measure(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """Measure the effect by direct probes."""
        raise NotImplementedError

    async def read_back(self, target: LinkTarget) -> Verdict:
        """Check that the rules are in place and that a packet has met them; None if no packet came in time."""
        deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
        while True:
            seen = await target.read_back()
            if self.kind not in seen.mechanisms:
                return Verdict(False, f"read back: {seen}")
            if seen.packets or time.monotonic() > deadline:
                return Verdict(True if seen.packets else None, f"read back: {seen}")
            await asyncio.sleep(LOOK_EVERY_S)


class CountedFault(LinkFault):
    """An impairment that no answer shows, because TCP repairs it."""

    async def measure(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """Send one probe for packets to meet the impairment, then read the mechanism's counters."""
        await ask(await target.address(), timeout_s=0.5)
        return await self.read_back(target)


async def find_stall(target: LinkTarget, share: float, before: Before) -> Verdict:
    """Probe until an answer comes late by a retransmission; `share` is the chance of that for each probe."""
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
