"""HTTP client of the local supervisor and its relays. It translates their errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from ..errors import RuntimeUnavailableError, TargetGoneError

TIMEOUT = aiohttp.ClientTimeout(total=5.0)
STOP_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
"""Time-out of a stop. It is long, because the backend first finishes its requests in flight."""


@dataclass(frozen=True, slots=True)
class Process:
    """One entry of `GET /processes`."""

    name: str
    role: str
    running: bool
    pid: int | None
    exit_code: int | None
    address: str
    control: str | None
    instance: str

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Process:
        """Parse one entry. Raise KeyError if a field is missing."""
        return cls(
            name=entry["name"],
            role=entry["role"],
            running=entry["state"] == "running",
            pid=entry.get("pid"),
            exit_code=entry.get("exit_code"),
            address=entry.get("address") or "",
            control=entry.get("control"),
            instance=entry.get("instance") or entry["name"],
        )


class Supervisor:
    """Client of the supervisor and of the relays' control ports."""

    def __init__(self, url: str, token: str, relay_token: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}
        self._relay_headers = {"Authorization": f"Bearer {relay_token}"}
        self._session: aiohttp.ClientSession | None = None

    async def processes(self) -> dict[str, Process]:
        """Return all processes by name."""
        body = await self._call("GET", f"{self._url}/processes")
        return {entry["name"]: Process.from_json(entry) for entry in body["processes"]}

    async def process(self, name: str) -> Process:
        """Return the process. Raise TargetGoneError if the supervisor does not know it."""
        processes = await self.processes()
        if name not in processes:
            raise TargetGoneError(f"the supervisor has no process {name!r}")
        return processes[name]

    async def start(self, name: str) -> None:
        """Start the process if it does not run."""
        await self._call("POST", f"{self._url}/processes/{name}/start", accept=(409,))

    async def stop(self, name: str) -> None:
        """Send SIGTERM and wait until the process has ended."""
        await self._call("POST", f"{self._url}/processes/{name}/stop", accept=(409,), timeout=STOP_TIMEOUT)

    async def put_fault(self, control: str, fault: dict[str, Any]) -> None:
        """Add a link fault to a relay."""
        await self._call("PUT", f"{control.rstrip('/')}/fault", json=fault)

    async def clear_fault(self, control: str, kind: str) -> None:
        """Remove the link fault of this kind from a relay."""
        await self._call("DELETE", f"{control.rstrip('/')}/fault?kind={kind}")

    async def relay_state(self, control: str) -> dict[str, Any]:
        """Return the state that a relay reports."""
        return dict(await self._call("GET", f"{control.rstrip('/')}/state"))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _call(
        self,
        method: str,
        url: str,
        *,
        json: dict[str, Any] | None = None,
        accept: tuple[int, ...] = (),
        timeout: aiohttp.ClientTimeout = TIMEOUT,  # noqa: ASYNC109 - passed to aiohttp, which enforces it
    ) -> Any:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        headers = self._headers if url.startswith(f"{self._url}/") else self._relay_headers
        try:
            async with self._session.request(
                method, url, json=json, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                if response.status == 404:
                    raise TargetGoneError(f"{method} {url}: 404")
                if response.status >= 400 and response.status not in accept:
                    raise RuntimeUnavailableError(f"{method} {url}: {response.status} {await response.text()}")
                return await response.json(content_type=None) if response.status != 204 else None
        except (TimeoutError, aiohttp.ClientError) as error:
            raise RuntimeUnavailableError(f"{method} {url}: {error or type(error).__name__}") from error
