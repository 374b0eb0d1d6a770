"""What an experiment needs from a balancer, and its two implementations: with Reroute's admin API and without.

Without that API, only the traffic port is known. Which backends the balancer uses is inferred from the names of the
backends that answer requests, and there are no bounds and no events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Final, Protocol

import aiohttp

from ..processes.readiness import Answer, Patience, gave_up
from .clients import BalancerClient, ChaosClient, Json
from .endpoints import Endpoints

SEEN_FOR_S: Final = 1.0
"""Seconds. A backend that answered within this time counts as in use. At the polling rate, round robin over three
backends reaches each of them within 0.1 s."""
_REQUESTS_PER_TARGET: Final = 2
_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)


class BalancerView(Protocol):
    """Everything that `lab.run.experiment` and `lab.run.preflight` need from a balancer."""

    async def backends(self) -> list[Json]:
        """Return all known backends, each with `id`, `name`, `address` and `state` (`up` if it is in use)."""

    def refusal(self) -> str:
        """Return the answer that every request gets if waiting for backends is pointless, or an empty string."""

    async def reset_history(self, backends: Iterable[Json]) -> None:
        """Make the balancer forget earlier failures of these backends, all of which are up."""

    async def config(self) -> Json:
        """Return the live configuration; empty if the balancer does not publish it."""

    async def bounds(self) -> list[Json]:
        """Return one bound for each fault kind; empty if the balancer publishes none."""

    async def clock(self) -> float:
        """Return the monotonic time of the kernel that the balancer runs on, seconds."""

    def events(self) -> AsyncIterator[Json]:
        """Yield the balancer's events without end, or nothing if it has no events."""


class OpaqueBalancer:
    """A balancer of which only the traffic port is known."""

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints, chaos: ChaosClient) -> None:
        self._session = session
        self._traffic = endpoints.traffic
        self._chaos = chaos
        self._host = endpoints.host
        self._log = endpoints.balancer_log
        self._seen: dict[str, float] = {}
        self._last_refusal = Answer()
        self._patience = Patience()

    async def backends(self) -> list[Json]:
        """Return the lab's targets: `up` if it answered through the balancer within `SEEN_FOR_S`, otherwise `unseen`.

        Raise EnvironmentProblemError if the chaos service, which knows the targets, does not answer.
        """
        instances = [str(target["instance"]) for target in await self._chaos.targets()]
        answered = await asyncio.gather(*(self._who_answers() for _ in range(_REQUESTS_PER_TARGET * len(instances))))
        now = time.monotonic()
        self._seen.update(dict.fromkeys(filter(None, answered), now))
        return [
            {"id": name, "name": name, "address": "", "state": self._state(name, now), "why": self._why(name, now)}
            for name in sorted(instances)
        ]

    def refusal(self) -> str:
        """Return the answer to all requests if it certainly will not change, or an empty string."""
        now = time.monotonic()
        last = max(self._seen.values(), default=float("-inf"))
        ended = self._patience.ended(self._last_refusal, now) or gave_up(self._last_refusal, self._log)
        return f"GET {self._url} is answered with {self._last_refusal}" if ended and now - last > SEEN_FOR_S else ""

    async def reset_history(self, backends: Iterable[Json]) -> None:
        """Do nothing: there is no API for it."""

    async def config(self) -> Json:
        """Return an empty document: there is no API for it."""
        return {}

    async def bounds(self) -> list[Json]:
        """Return an empty list: the balancer publishes no bounds."""
        return []

    async def clock(self) -> float:
        """Return the clock of the chaos service, which runs on the same kernel."""
        return await self._chaos.clock()

    async def events(self) -> AsyncIterator[Json]:
        """Never yield."""
        await asyncio.Event().wait()
        yield {}

    def _state(self, name: str, now: float) -> str:
        return "up" if now - self._seen.get(name, float("-inf")) <= SEEN_FOR_S else "unseen"

    def _why(self, name: str, now: float) -> str:
        """Return why the backend does not seem to be up: the last answer that came from no backend. Empty if it is
        up."""
        if self._state(name, now) == "up" or self._last_refusal.works:
            return ""
        return f"GET {self._url}: {self._last_refusal}"

    @property
    def _url(self) -> str:
        return f"{self._traffic}/whoami"

    async def _who_answers(self) -> str | None:
        """Return the name of the backend that answers one request on a new connection; None if none does."""
        headers = {"Connection": "close"}  # a layer-4 balancer sends all requests of one connection to one backend
        if self._host:
            headers["Host"] = self._host
        try:
            async with self._session.get(self._url, headers=headers, timeout=_TIMEOUT, allow_redirects=False) as answer:
                if answer.status == 200:
                    return answer.headers.get("X-Instance")
                self._last_refusal = Answer(answer.status, answer.headers.get("Location", ""))
        except (aiohttp.ClientError, TimeoutError):
            self._last_refusal = Answer(problem="no answer")
        return None


def balancer_view(session: aiohttp.ClientSession, endpoints: Endpoints, chaos: ChaosClient) -> BalancerView:
    """Return a client of the admin API if `endpoints` has one, otherwise a view through the traffic port."""
    if endpoints.admin:
        return BalancerClient(session, endpoints)
    return OpaqueBalancer(session, endpoints, chaos)
