"""Controls a local lab during a run (balancer, number of backends), by the supervisor and the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from ..errors import EnvironmentProblemError
from ..polling import until
from .supervisor_handshake import Ready

_WITHIN: Final = aiohttp.ClientTimeout(total=35.0)
"""Seconds. The supervisor waits 25 s for a backend that starts."""
_GONE_WITHIN_S: Final = 15.0
"""Seconds to wait for a backend to leave, which it does only when its requests are complete."""
_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class LocalRuntimeControl:
    """Runtime control of the local lab that `ready` describes."""

    ready: Ready

    async def scale(self, count: int) -> None:
        """Start or remove backends. The balancer uses the names of the processes as ids."""
        async with aiohttp.ClientSession(timeout=_WITHIN) as session:
            before = await self._backends(session)
            for name in [*before][count:]:
                await self._leave(session, name)
            await self._supervisor(session, "POST", "/backends", {"count": count})
            for name, address in (await self._backends(session)).items():
                if name not in before:
                    await self._admin(session, "POST", "/backends", {"id": name, "address": address})

    async def stop_balancer(self, *, kill: bool) -> None:
        """Stop the balancer. The supervisor does not restart a process that it was asked to stop."""
        async with aiohttp.ClientSession(timeout=_WITHIN) as session:
            body = {"signal": "KILL" if kill else "TERM"}
            await self._supervisor(session, "POST", "/processes/lb/stop", body)

    async def start_balancer(self) -> None:
        """Start the balancer; 409 means that it already runs."""
        async with aiohttp.ClientSession(timeout=_WITHIN) as session:
            await self._supervisor(session, "POST", "/processes/lb/start", {}, fine=(200, 409))

    async def configure_balancer(self, environment: Mapping[str, str]) -> None:
        """Restart the balancer with another environment."""
        async with aiohttp.ClientSession(timeout=_WITHIN) as session:
            await self._supervisor(session, "POST", "/processes/lb/stop", {"signal": "TERM"})
            await self._supervisor(session, "POST", "/processes/lb/start", {"environment": dict(environment)})

    async def _leave(self, session: aiohttp.ClientSession, name: str) -> None:
        await self._admin(session, "DELETE", f"/backends/{name}", None)

        async def gone() -> bool:
            listed = await self._admin(session, "GET", "/backends", None)
            return all(each["id"] != name for each in listed["backends"])

        if not await until(gone, _GONE_WITHIN_S, _POLL_S):
            raise EnvironmentProblemError(f"the balancer did not let {name} go within {_GONE_WITHIN_S:g} s")

    async def _backends(self, session: aiohttp.ClientSession) -> dict[str, str]:
        listed = await self._supervisor(session, "GET", "/processes", None)
        return {each["name"]: each["address"] for each in listed["processes"] if each["role"] == "api"}

    async def _supervisor(
        self, session: aiohttp.ClientSession, method: str, path: str, body: Any, fine: tuple[int, ...] = (200,)
    ) -> dict[str, Any]:
        return await _call_supervisor(self.ready, session, method, path, body, fine)

    async def _admin(self, session: aiohttp.ClientSession, method: str, path: str, body: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.ready.admin_token}"}
        return await _call(session, method, self.ready.admin + path, body, headers, (200, 201, 202))


async def call_supervisor(ready: Ready, method: str, path: str) -> dict[str, Any]:
    """Return the supervisor's answer to a call without a body. Raise EnvironmentProblemError if it refuses."""
    async with aiohttp.ClientSession(timeout=_WITHIN) as session:
        return await _call_supervisor(ready, session, method, path, None, (200,))


async def _call_supervisor(
    ready: Ready, session: aiohttp.ClientSession, method: str, path: str, body: Any, fine: tuple[int, ...]
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {ready.supervisor_token}"}
    return await _call(session, method, ready.supervisor + path, body, headers, fine)


async def _call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Any,
    headers: Mapping[str, str],
    fine: tuple[int, ...],
) -> dict[str, Any]:
    try:
        async with session.request(method, url, json=body, headers=headers, allow_redirects=False) as answer:
            found = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise EnvironmentProblemError(f"{method} {url}: {error or type(error).__name__}") from error
    if answer.status not in fine:
        raise EnvironmentProblemError(f"{method} {url} was answered with {answer.status}: {found}")
    return dict(found)
