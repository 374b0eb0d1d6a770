"""What an experiment asks of a balancer, and the two that answer: one with our admin API, and any other.

Of a balancer without that API, only its traffic port is known. Which backends it uses is seen as a client sees it: by
the names of the replicas that answer. It promises nothing, and tells no events.
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
"""An instance that answered within this time is in use. Round robin over three at the polls' pace takes 0.1 s."""
_ASKED_PER_TARGET: Final = 2
_PATIENCE: Final = aiohttp.ClientTimeout(total=1.0)


class BalancerView(Protocol):
    """The narrow seam: all that `lab.run.experiment` and `lab.run.preflight` need to know of a balancer."""

    async def backends(self) -> list[Json]:
        """All known backends, each with `id`, `name`, `address` and `state` (`up` when it is in use)."""

    def refusal(self) -> str:
        """Why waiting for backends is of no use: what every request is answered with. Empty where it may be."""

    async def pardon(self, backends: Iterable[Json]) -> None:
        """Have it forget what it holds against these, which are all in use."""

    async def config(self) -> Json:
        """The live configuration; empty where it cannot tell."""

    async def bounds(self) -> list[Json]:
        """One bound for each fault kind; empty where it promises nothing."""

    async def clock(self) -> float:
        """Monotonic time of the kernel that it runs on, seconds."""

    def events(self) -> AsyncIterator[Json]:
        """Its event stream, for ever; one that never yields where it tells none."""


class OpaqueBalancer:
    """A balancer seen from its traffic port alone."""

    def __init__(self, session: aiohttp.ClientSession, endpoints: Endpoints, chaos: ChaosClient) -> None:
        self._session = session
        self._traffic = endpoints.traffic
        self._chaos = chaos
        self._host = endpoints.host
        self._log = endpoints.balancer_log
        self._seen: dict[str, float] = {}
        self._refusal = Answer()
        self._patience = Patience()

    async def backends(self) -> list[Json]:
        """The lab's targets, each `up` if it has answered through the balancer within `SEEN_FOR_S`, else `unseen`.

        Raises EnvironmentProblemError where the chaos service, which knows the targets, does not answer.
        """
        instances = [str(target["instance"]) for target in await self._chaos.targets()]
        answered = await asyncio.gather(*(self._who() for _ in range(_ASKED_PER_TARGET * len(instances))))
        now = time.monotonic()
        self._seen.update(dict.fromkeys(filter(None, answered), now))
        return [
            {"id": name, "name": name, "address": "", "state": self._state(name, now), "why": self._why(name, now)}
            for name in sorted(instances)
        ]

    def refusal(self) -> str:
        """What all requests are answered with and will be, as far as that is certain; empty where it is not."""
        now = time.monotonic()
        last = max(self._seen.values(), default=float("-inf"))
        ended = self._patience.ended(self._refusal, now) or gave_up(self._refusal, self._log)
        return f"GET {self._url} is answered with {self._refusal}" if ended and now - last > SEEN_FOR_S else ""

    async def pardon(self, backends: Iterable[Json]) -> None:
        """It cannot be asked."""

    async def config(self) -> Json:
        """It cannot be asked."""
        return {}

    async def bounds(self) -> list[Json]:
        """It makes no promise."""
        return []

    async def clock(self) -> float:
        """That of the chaos service, which shares the kernel with it."""
        return await self._chaos.clock()

    async def events(self) -> AsyncIterator[Json]:
        """None, for ever."""
        await asyncio.Event().wait()
        yield {}

    def _state(self, name: str, now: float) -> str:
        return "up" if now - self._seen.get(name, float("-inf")) <= SEEN_FOR_S else "unseen"

    def _why(self, name: str, now: float) -> str:
        """What was answered last instead of a backend; empty for one that is up."""
        return "" if self._state(name, now) == "up" or self._refusal.works else f"GET {self._url}: {self._refusal}"

    @property
    def _url(self) -> str:
        return f"{self._traffic}/whoami"

    async def _who(self) -> str | None:
        """Who answers one request on a connection of its own; None when nobody does."""
        headers = {"Connection": "close"}  # a balancer of connections would give a kept one to the same backend
        if self._host:
            headers["Host"] = self._host
        try:
            async with self._session.get(
                self._url, headers=headers, timeout=_PATIENCE, allow_redirects=False
            ) as answer:
                if answer.status == 200:
                    return answer.headers.get("X-Instance")
                self._refusal = Answer(answer.status, answer.headers.get("Location", ""))
        except (aiohttp.ClientError, TimeoutError):
            self._refusal = Answer(problem="no answer")
        return None


def balancer_view(session: aiohttp.ClientSession, endpoints: Endpoints, chaos: ChaosClient) -> BalancerView:
    """The view that fits the lab: with an admin API where `endpoints` names one."""
    if endpoints.admin:
        return BalancerClient(session, endpoints)
    return OpaqueBalancer(session, endpoints, chaos)
