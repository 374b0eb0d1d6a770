"""Clients of the balancer's admin API, the chaos service and the traffic port.

Errors of aiohttp and malformed answers become EnvironmentProblemError here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import aiohttp

from ..errors import EnvironmentProblemError, LabError
from ..scenario.plan import PlannedStep
from .endpoints import Endpoints
from .sse import follow

Json = dict[str, Any]

_CALL_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_INJECT_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
"""Time-out of an injection: the service responds after verification, and a helper container takes seconds to start."""


class FaultRefusedError(LabError):
    """The chaos service refused to inject this fault. `status` is the HTTP status of its response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, "`lab faults list` shows what is possible on this host")
        self.status = status


class _Service:
    """Client of one HTTP service: JSON calls with a timeout, its clock and its events."""

    name = "service"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        headers: dict[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`options` are keyword arguments of every request of the session."""
        self._session = session
        self._base = base
        self._headers = headers or {}
        self._options = options or {"allow_redirects": False}

    async def call(
        self, method: str, path: str, body: Json | None = None, limit: aiohttp.ClientTimeout = _CALL_TIMEOUT
    ) -> tuple[int, Json]:
        """Return status and body. Raise EnvironmentProblemError if there is no answer or if it is not JSON."""
        url = self._base + path
        try:
            async with self._session.request(
                method, url, json=body, headers=self._headers, timeout=limit, **self._options
            ) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise EnvironmentProblemError(
                f"{self.name} does not answer at {url}: {reason}", "`lab status` shows what runs"
            ) from error

    async def get(self, path: str) -> Json:
        """Return the body of an answer with status 200. Raise EnvironmentProblemError for any other answer."""
        status, body = await self.call("GET", path)
        if status != 200:
            raise EnvironmentProblemError(f"{self.name} answered {path} with {status}: {_reason(body)}")
        return body

    async def clock(self) -> float:
        """Return the service's monotonic time, seconds."""
        return float((await self.get("/clock"))["mono"])

    def events(self) -> AsyncIterator[Json]:
        """Yield the service's events without end."""
        return follow(self._session, f"{self._base}/events", self._headers)


class BalancerClient(_Service):
    """Client of the balancer's admin API."""

    name = "the balancer"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        headers = {"Authorization": f"Bearer {endpoints.admin_token}"} if endpoints.admin_token else None
        super().__init__(session, endpoints.admin, headers)

    async def backends(self) -> list[Json]:
        """Return all known backends with their state."""
        return list((await self.get("/backends"))["backends"])

    async def config(self) -> Json:
        """Return the live configuration."""
        return await self.get("/config")

    async def adjust(self, backend_id: str, change: Json) -> Json:
        """Change a backend's state or weight. Raise EnvironmentProblemError if the balancer refuses."""
        status, body = await self.call("PUT", f"/backends/{backend_id}", change)
        if status != 200:
            hint = "the balancer needs an admin token: set REROUTE_ADMIN_TOKEN" if status == 401 else ""
            raise EnvironmentProblemError(f"the balancer refused {change} for {backend_id}: {_reason(body)}", hint)
        return body

    def refusal(self) -> str:
        """Return an empty string: the states of the backends say why a backend is not in use."""
        return ""

    async def reset_history(self, backends: Iterable[Json]) -> None:
        """Reset the ejection backoff of these backends, so that earlier runs do not delay readmission in this one.

        Do nothing if changes need a token that the lab was not given. Raise EnvironmentProblemError on other refusals.
        """
        for backend in backends:
            status, body = await self.call("PUT", f"/backends/{backend['id']}", {"state": "up"})
            if status not in (200, 401):
                raise EnvironmentProblemError(
                    f"the balancer does not reset the history of {backend['id']}: {_reason(body)}"
                )

    async def bounds(self) -> list[Json]:
        """Return one bound for each fault kind."""
        return list((await self.get("/bounds"))["bounds"])


class ChaosClient(_Service):
    """Client of the chaos service."""

    name = "the chaos service"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        super().__init__(session, endpoints.chaos, {"Authorization": f"Bearer {endpoints.chaos_token}"})

    async def targets(self) -> list[Json]:
        """Return all targets that faults can be injected on."""
        return list((await self.get("/targets"))["targets"])

    async def capabilities(self) -> Json:
        """Return, by fault kind, whether and how it is possible on this host."""
        return dict((await self.get("/capabilities"))["faults"])

    async def inject(self, step: PlannedStep, target: str) -> Json:
        """Inject a fault and return its record once it is verified. Raise FaultRefusedError if it is refused."""
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
        """Return the present record of a fault."""
        return await self.get(f"/faults/{fault_id}")

    async def active_faults(self) -> list[Json]:
        """Return the records of all faults that are not healed, including `failed` ones (not yet undone)."""
        faults: list[Json] = (await self.get("/faults"))["faults"]
        return [fault for fault in faults if fault["state"] != "healed"]

    async def heal(self, fault_id: str) -> Json:
        """Heal a fault now and return its record. Raise EnvironmentProblemError if that fails."""
        status, record = await self.call("DELETE", f"/faults/{fault_id}", limit=_INJECT_TIMEOUT)
        if status != 200:
            raise EnvironmentProblemError(f"fault {fault_id} could not be healed: {_reason(record)}")
        return record


class TrafficPort(_Service):
    """Client of the balancer's traffic port."""

    name = "the traffic port"

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints) -> None:
        headers = {"Host": endpoints.host} if endpoints.host else None
        super().__init__(session, endpoints.traffic, headers, endpoints.traffic_options())

    async def ledger(self, prefix: str) -> list[Json]:
        """Return the ledger entries of all backends for executed jobs whose id starts with `prefix`."""
        return list((await self.get(f"/ledger?prefix={prefix}"))["entries"])


def _reason(body: Json) -> str:
    return str(body.get("detail") or body.get("error") or body) if isinstance(body, dict) else str(body)
