"""The lab's view of the other services: their HTTP APIs as methods. Foreign exceptions end here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiohttp

from ..errors import EnvironmentProblemError, LabError
from ..scenario.plan import PlannedStep
from .endpoints import Endpoints
from .sse import follow

Json = dict[str, Any]

_CALL_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_INJECT_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
"""A fault is answered when it is verified; starting a helper container takes seconds."""


class FaultRefusedError(LabError):
    """The chaos service will not or cannot inject this fault; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, "`lab faults list` shows what is possible on this host")
        self.status = status


class _Service:
    """One HTTP service: JSON calls with a deadline, and its clock."""

    name = "service"

    def __init__(self, session: aiohttp.ClientSession, base: str, headers: dict[str, str] | None = None) -> None:
        self._session = session
        self._base = base
        self._headers = headers or {}

    async def call(
        self, method: str, path: str, body: Json | None = None, limit: aiohttp.ClientTimeout = _CALL_TIMEOUT
    ) -> tuple[int, Json]:
        """Status and body. Raises EnvironmentProblemError when there is no answer, or none in JSON."""
        url = self._base + path
        try:
            async with self._session.request(
                method, url, json=body, headers=self._headers, timeout=limit, allow_redirects=False
            ) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise EnvironmentProblemError(
                f"{self.name} does not answer at {url}: {reason}", "`lab status` shows what runs"
            ) from error

    async def get(self, path: str) -> Json:
        """The body of a 200. Raises EnvironmentProblemError for anything else."""
        status, body = await self.call("GET", path)
        if status != 200:
            raise EnvironmentProblemError(f"{self.name} answered {path} with {status}: {_reason(body)}")
        return body

    async def clock(self) -> float:
        """The service's monotonic time, seconds."""
        return float((await self.get("/clock"))["mono"])

    def events(self) -> AsyncIterator[Json]:
        """Its event stream, for ever."""
        return follow(self._session, f"{self._base}/events", self._headers)


class BalancerClient(_Service):
    """The balancer's admin port."""

    name = "the balancer"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        headers = {"Authorization": f"Bearer {endpoints.admin_token}"} if endpoints.admin_token else None
        super().__init__(session, endpoints.admin, headers)

    async def backends(self) -> list[Json]:
        """All known backends with their state."""
        return list((await self.get("/backends"))["backends"])

    async def config(self) -> Json:
        """The live configuration."""
        return await self.get("/config")

    async def adjust(self, backend_id: str, change: Json) -> Json:
        """Change a backend's state or weight. Raises EnvironmentProblemError when it is refused."""
        status, body = await self.call("PUT", f"/backends/{backend_id}", change)
        if status != 200:
            hint = "the balancer needs an admin token: set REROUTE_ADMIN_TOKEN" if status == 401 else ""
            raise EnvironmentProblemError(f"the balancer refused {change} for {backend_id}: {_reason(body)}", hint)
        return body

    def refusal(self) -> str:
        """None: its states say why a backend is not in use."""
        return ""

    async def pardon(self, backends: Iterable[Json]) -> None:
        """Have it forget how often the backends fell: earlier runs on this lab must not hold them down in the next.

        Where changes need a token that the lab was not given, they are held against them.
        """
        for backend in backends:
            status, body = await self.call("PUT", f"/backends/{backend['id']}", {"state": "up"})
            if status not in (200, 401):
                raise EnvironmentProblemError(f"the balancer does not pardon {backend['id']}: {_reason(body)}")

    async def bounds(self) -> list[Json]:
        """One bound for each fault kind."""
        return list((await self.get("/bounds"))["bounds"])


class ChaosClient(_Service):
    """The chaos service."""

    name = "the chaos service"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        super().__init__(session, endpoints.chaos, {"Authorization": f"Bearer {endpoints.chaos_token}"})

    async def targets(self) -> list[Json]:
        """Everything that can be faulted."""
        return list((await self.get("/targets"))["targets"])

    async def capabilities(self) -> Json:
        """Fault kind → whether and how it is possible on this host."""
        return dict((await self.get("/capabilities"))["faults"])

    async def inject(self, step: PlannedStep, target: str) -> Json:
        """The record of a fault that is injected and verified. Raises FaultRefusedError."""
        body = {
            "kind": step.fault,
            "target": target,
            "duration": f"{round(step.duration_s * 1000)}ms",
            "params": step.params,
            "allow_last": step.allow_last,
        }
        status, record = await self.call("POST", "/faults", body, _INJECT_TIMEOUT)
        if status != 201:
            raise FaultRefusedError(status, f"{step.fault} on {target} was refused: {_reason(record)}")
        return record

    async def fault(self, fault_id: str) -> Json:
        """The record as it is now."""
        return await self.get(f"/faults/{fault_id}")

    async def active_faults(self) -> list[Json]:
        """Records of all faults that are not healed; `failed` ones are still owed their undo."""
        faults: list[Json] = (await self.get("/faults"))["faults"]
        return [fault for fault in faults if fault["state"] != "healed"]

    async def heal(self, fault_id: str) -> Json:
        """Heal now. Raises EnvironmentProblemError."""
        status, record = await self.call("DELETE", f"/faults/{fault_id}", limit=_INJECT_TIMEOUT)
        if status != 200:
            raise EnvironmentProblemError(f"fault {fault_id} could not be healed: {_reason(record)}")
        return record


class TrafficPort(_Service):
    """The balancer's traffic port, asked like any client would."""

    name = "the traffic port"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        super().__init__(session, endpoints.traffic, {"Host": endpoints.host} if endpoints.host else None)

    async def ledger(self, prefix: str) -> list[Json]:
        """What all backends have executed of the jobs whose id starts with `prefix`."""
        return list((await self.get(f"/ledger?prefix={prefix}"))["entries"])


def _reason(body: Json) -> str:
    return str(body.get("detail") or body.get("error") or body) if isinstance(body, dict) else str(body)
