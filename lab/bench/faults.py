"""How long an injection takes, by the chaos service's own clock: from the order to the fault in effect.

Needs a lab that runs. Each fault is healed as soon as it is in; the first round warms up and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import aiohttp

from lab.clients import ChaosClient, FaultRefusedError, Json
from lab.endpoints import Endpoints
from lab.errors import EnvironmentProblemError

Params = Mapping[str, str]
DURATION = "20s"
PROCESS_LIMIT_S, LINK_LIMIT_S = 0.3, 1.5
"""What an injection may take on a warm machine (issue of the chaos service)."""
KINDS: Mapping[str, tuple[Params, float]] = {
    "kill": ({}, PROCESS_LIMIT_S),
    "stop": ({}, PROCESS_LIMIT_S),
    "pause": ({}, PROCESS_LIMIT_S),
    "delay": ({"delay": "50ms"}, LINK_LIMIT_S),
    "loss": ({"loss": "30%"}, LINK_LIMIT_S),
    "bandwidth": ({"rate": "1mbit"}, LINK_LIMIT_S),
    "blackhole": ({}, LINK_LIMIT_S),
    "refuse": ({}, LINK_LIMIT_S),
}


@dataclass(frozen=True, slots=True)
class Timing:
    """One kind's injections, seconds."""

    kind: str
    mechanism: str
    took_s: tuple[float, ...]
    limit_s: float

    @property
    def median_s(self) -> float:
        """Of the rounds that count."""
        return median(self.took_s)

    @property
    def within(self) -> bool:
        """Whether the median keeps the limit."""
        return self.median_s <= self.limit_s

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "kind": self.kind,
            "mechanism": self.mechanism,
            "median_s": round(self.median_s, 4),
            "slowest_s": round(max(self.took_s), 4),
            "limit_s": self.limit_s,
            "within": self.within,
        }


async def measure(endpoints: Endpoints, rounds: int, heard: Callable[[str], None]) -> list[Timing]:
    """Raises FaultRefusedError and EnvironmentProblemError."""
    async with aiohttp.ClientSession() as session:
        chaos = ChaosClient(session, endpoints)
        target = next((each["name"] for each in await chaos.targets() if each["state"] == "running"), None)
        if target is None:
            raise EnvironmentProblemError("no backend runs", "lab status")
        timings = []
        for kind, (params, limit_s) in KINDS.items():
            heard(kind)
            records = [await _inject(chaos, kind, target, params) for _ in range(rounds + 1)][1:]
            took = tuple(record["injected_mono"] - record["requested_mono"] for record in records)
            timings.append(Timing(kind, records[0]["mechanism"], took, limit_s))
        return timings


async def _inject(chaos: ChaosClient, kind: str, target: str, params: Params) -> Json:
    order = {"kind": kind, "target": target, "duration": DURATION, "params": dict(params)}
    status, record = await chaos.call("POST", "/faults", order, aiohttp.ClientTimeout(total=30))
    if status != 201:
        raise FaultRefusedError(status, f"{kind} on {target} was refused: {record.get('detail', record)}")
    return await chaos.heal(record["id"])
