"""Code shared by the link faults: which packets they act on, and how they are injected, verified and healed.

A kind names one `effect` (`chaos.links.impairment.Effect`) and returns its numbers from `effects()`. Several kinds may
use one effect, so a new kind needs only one file here.
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
"""Seconds. If an answer takes this much longer than before the fault, one of its packets was lost and sent again. The
value is the shortest retransmission time-out of TCP, less a margin."""
SILENT_S = 0.5
ENOUGH = 0.05
"""If no probe stalled, and the fault would make that less probable than this, the fault counts as without effect."""
LOOK_EVERY_S = 0.2
SPARE_S = 0.2
"""Seconds of the verdict's deadline that the measurement leaves unused."""
EVERYBODY = "all"


class ScopedParams(Params):
    """Parameters that select the impaired packets."""

    peer: str = EVERYBODY
    """`all`, `balancer`, a member's name or role, or several of these with commas between. Docker only."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """A port other than the service port. Docker only."""

    @property
    def is_everybodys(self) -> bool:
        """Return whether direct probes of the service port are also impaired, so that they can measure the effect."""
        return self.peer == EVERYBODY and self.port is None

    def scope(self) -> dict[str, Any]:
        """Return the Impairment's fields for peers and port. Peers are names; the driver resolves them to addresses."""
        return {"peers": () if self.peer == EVERYBODY else peer_names(self.peer), "port": self.port}


class ShapedParams(ScopedParams):
    """Which packets are impaired, and by which mechanism."""

    direction: Direction = "out"
    """Direction from the target's view: `out` is what leaves it."""
    mechanism: Literal["auto", "netem", "nfqueue"] = "auto"
    """Use this mechanism only. If it is impossible, the error lists the possible ones."""

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "direction": self.direction, "mechanism": self.mechanism}


class CorrelatedParams(ShapedParams):
    """Parameters of effects that are random for each packet."""

    correlation: Share = 0.0
    """Correlation of each packet's random number with the previous one, as in tc-netem(8)."""

    def scope(self) -> dict[str, Any]:
        return {**super().scope(), "correlation": self.correlation}


def peer_names(peer: str) -> tuple[str, ...]:
    """Return the names in a `peer` parameter."""
    return tuple(name.strip() for name in peer.split(","))


class LinkFault:
    """One impairment of the target's link."""

    kind: str
    effect: Effect
    """Effect on packets. Two faults with the same effect on one target conflict."""
    needs = LinkTarget

    @property
    def support(self) -> Support:
        """Return the mechanisms, which depend only on the effect."""
        kernel = kernel_mechanisms(self.effect)
        if lacking := RELAY_LACKS.get(self.effect):
            return Support({"docker": kernel}, lacking)
        return Support({"docker": kernel, "local": RELAY})

    def effects(self, params: Any) -> dict[str, Any]:
        """Return the Impairment's fields that describe what happens to packets."""
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
        """Measure the effect if direct probes are also impaired. Read the mechanism's counters in any case."""
        if not params.is_everybodys:
            return await self.read_back(target)
        until = time.monotonic() + VERIFY_DEADLINE_S - SPARE_S
        counting = asyncio.ensure_future(target.read_back())
        try:
            measured = await self.measure(target, params, before)
            # The measurement counts even without the counters, which need a `docker exec` and may come late on a busy
            # host.
            done, _ = await asyncio.wait([counting], timeout=max(0.0, until - time.monotonic()))
            counted = counting.result() if done else "no answer in time"
            return Verdict(measured.bit, f"{measured.evidence}; read back: {counted}")
        finally:
            counting.cancel()

    async def measure(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        """Measure the effect by direct probes."""
        raise NotImplementedError

    async def read_back(self, target: LinkTarget) -> Verdict:
        """Check that the rules are in place and that a packet has matched them.

        The verdict's `bit` is None if no packet came in time.
        """
        deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
        while True:
            seen = await target.read_back()
            if self.kind not in seen.mechanisms:
                return Verdict(False, f"read back: {seen}")
            if seen.packets or time.monotonic() > deadline:
                return Verdict(True if seen.packets else None, f"read back: {seen}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def count(self, target: LinkTarget) -> Verdict:
        """Send one probe, so that some packets match the rules, then read the mechanism's counters."""
        await ask(await target.address(), timeout_s=0.5)
        return await self.read_back(target)


class CountedFault(LinkFault):
    """An impairment without an effect on answers, because TCP repairs it."""

    async def measure(self, target: LinkTarget, params: Any, before: Before) -> Verdict:
        return await self.count(target)


async def find_stall(target: LinkTarget, share: float, before: Before) -> Verdict:
    """Probe until an answer is late by a retransmission. `share` is the probability of that for each probe."""
    address = await target.address()
    deadline = time.monotonic() + VERIFY_DEADLINE_S - 0.5
    asked = 0
    while time.monotonic() < deadline:
        answer = await ask(address, timeout_s=SILENT_S)
        asked += 1
        if _stalled(answer, before.answer):
            return Verdict(True, f"probe {asked} stalled: {answer}")
    by_chance = (1 - share) ** asked
    evidence = f"none of {asked} probes stalled (probability {by_chance:.2g} under this fault)"
    return Verdict(False if by_chance < ENOUGH else None, evidence)


def _stalled(answer: Answer, before: Answer) -> bool:
    return bool(answer.failure) or answer.took_s - before.took_s >= STALL_S
