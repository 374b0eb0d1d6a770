"""Measures the time from a client's order until the fault is in effect.

Needs a running lab. Each fault is healed at once; the first round is a warm-up. The time includes the admission of the
order. The moment of the effect comes from the chaos service, whose clock is mapped to ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import aiohttp

from ..errors import EnvironmentProblemError
from ..evidence.clock import ClockOffset, measure_offset
from ..scenario.fault_kinds import built_in
from ..services.clients import ChaosClient, FaultRefusedError, Json
from ..services.endpoints import Endpoints

DURATION = "20s"
PROCESS_LIMIT_S, LINK_LIMIT_S = 0.3, 1.5
"""Largest allowed median of an injection in seconds, on a machine with warm caches."""
LIMITS_S: Mapping[str, float] = {"process": PROCESS_LIMIT_S, "shape": LINK_LIMIT_S, "cut": LINK_LIMIT_S}
"""Layer → limit of the median in seconds. Faults on other layers are not measured, because each is only one call to
Docker or to the backend."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Measured injections of one kind, in seconds."""

    kind: str
    mechanism: str
    took_s: tuple[float, ...]
    limit_s: float

    @property
    def median_s(self) -> float:
        """Median of the measured rounds."""
        return median(self.took_s)

    @property
    def within(self) -> bool:
        """Whether the median is within the limit."""
        return self.median_s <= self.limit_s

    def as_json(self) -> dict[str, object]:
        """Return the entry in `--json`."""
        return {
            "kind": self.kind,
            "mechanism": self.mechanism,
            "median_s": round(self.median_s, 4),
            "slowest_s": round(max(self.took_s), 4),
            "limit_s": self.limit_s,
            "within": self.within,
        }


async def measure(endpoints: Endpoints, rounds: int, on_kind: Callable[[str], None]) -> list[Timing]:
    """Measure all kinds that this lab supports; call `on_kind` before each.

    Raise FaultRefusedError and EnvironmentProblemError.
    """
    async with aiohttp.ClientSession() as session:
        chaos = ChaosClient(session, endpoints)
        target = next((each["name"] for each in await chaos.targets() if each["state"] == "running"), None)
        if target is None:
            raise EnvironmentProblemError("no backend runs", "lab status")
        capabilities, offset = await chaos.capabilities(), await measure_offset(chaos.clock)
        timings = []
        for kind in possible(capabilities):
            on_kind(kind)
            injections = [await _inject(chaos, offset, kind, target) for _ in range(rounds + 1)][1:]
            took = tuple(took_s for took_s, _ in injections)
            timings.append(Timing(kind, injections[0][1]["mechanism"], took, LIMITS_S[built_in().kinds[kind].layer]))
        return timings


def possible(capabilities: Mapping[str, Json]) -> list[str]:
    """Return the kinds that have a limit here and that this lab's chaos service supports."""
    return [
        kind
        for kind, each in built_in().kinds.items()
        if each.layer in LIMITS_S and capabilities.get(kind, {}).get("possible")
    ]


async def _inject(chaos: ChaosClient, offset: ClockOffset, kind: str, target: str) -> tuple[float, Json]:
    """Inject and heal. Return the seconds until the effect, and the record."""
    order = {"kind": kind, "target": target, "duration": DURATION, "params": built_in().kinds[kind].example}
    asked = time.monotonic()
    status, record = await chaos.call("POST", "/faults", order, aiohttp.ClientTimeout(total=30))
    if status != 201:
        raise FaultRefusedError(status, f"{kind} on {target} was refused: {record.get('detail', record)}")
    return offset.to_local(record["injected_mono"]) - asked, await chaos.heal(record["id"])
