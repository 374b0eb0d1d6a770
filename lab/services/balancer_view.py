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

from ..identity import UNIDENTIFIED, known_names, target_of
from ..processes.readiness import Answer, Patience, gave_up
from ..scenario.statuses import accepted
from .clients import BalancerClient, ChaosClient, Json
from .endpoints import Endpoints
from .tls import CERTIFICATE_HELP, handshake_problem

SEEN_FOR_S: Final = 1.0
"""Seconds. A backend that answered within this time counts as in use. At the polling rate, round robin over three
backends reaches each of them within 0.1 s."""
_REQUESTS_PER_TARGET: Final = 2
_SHOWN: Final = 3
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
        self._url = endpoints.traffic + endpoints.question
        self._chaos = chaos
        self._host = endpoints.host
        self._options = endpoints.traffic_options()
        self._log = endpoints.balancer_log
        self._bounds = endpoints.bounds
        self._identification = endpoints.identification
        self._names = endpoints.names
        self._good = accepted(endpoints.question_statuses)
        self._seen: dict[str, float] = {}
        """Instance → when it last answered, in monotonic seconds."""
        self._forwarded = float("-inf")
        """When the balancer last forwarded a request to any backend, in monotonic seconds."""
        self._unmatched: set[str] = set()
        """Names in answers that match no target."""
        self._last_refusal = Answer()
        self._bad_certificate = ""
        self._patience = Patience()

    async def backends(self) -> list[Json]:
        """Return the lab's targets: `up` if it answered through the balancer within `SEEN_FOR_S`, otherwise `unseen`.

        If answers do not name their backend, all are `unidentified` if any request was answered within that time.

        Raise EnvironmentProblemError if the chaos service, which knows the targets, does not answer.
        """
        targets = await self._chaos.targets()
        instances = {str(target["name"]): str(target["instance"]) for target in targets}
        answered = await asyncio.gather(*(self._who_answers() for _ in range(_REQUESTS_PER_TARGET * len(instances))))
        now = time.monotonic()
        known = known_names(targets, self._names)
        for value in filter(None, answered):
            if (name := target_of(value, known)) in instances:
                self._seen[instances[name]] = now
            elif len(self._unmatched) < _SHOWN:
                self._unmatched.add(value)
        return [
            {"id": name, "name": name, "address": "", "state": self._state(name, now), "why": self._why(name, now)}
            for name in sorted(instances.values())
        ]

    def refusal(self) -> str:
        """Return the answer to all requests if it certainly will not change, or an empty string."""
        now = time.monotonic()
        ended = self._patience.ended(self._last_refusal, now) or gave_up(self._last_refusal, self._log)
        if now - self._forwarded <= SEEN_FOR_S or not (ended or self._bad_certificate):
            return ""
        if self._bad_certificate:
            return f"{self._url}: {self._bad_certificate} ({CERTIFICATE_HELP})"
        return f"GET {self._url} is answered with {self._last_refusal}"

    async def reset_history(self, backends: Iterable[Json]) -> None:
        """Do nothing: there is no API for it."""

    async def config(self) -> Json:
        """Return an empty document: there is no API for it."""
        return {}

    async def bounds(self) -> list[Json]:
        """Return the bounds that were derived from its configuration; empty if that is not known."""
        return [dict(each) for each in self._bounds]

    async def clock(self) -> float:
        """Return the clock of the chaos service, which runs on the same kernel."""
        return await self._chaos.clock()

    async def events(self) -> AsyncIterator[Json]:
        """Never yield."""
        await asyncio.Event().wait()
        yield {}

    def _state(self, name: str, now: float) -> str:
        if not self._identification.is_known:
            return UNIDENTIFIED if now - self._forwarded <= SEEN_FOR_S else "unseen"
        return "up" if now - self._seen.get(name, float("-inf")) <= SEEN_FOR_S else "unseen"

    def _why(self, name: str, now: float) -> str:
        """Return why the backend does not seem to be in use: the last answer that came from no backend, or names that
        match no target. Empty if it is in use."""
        if self._state(name, now) != "unseen":
            return ""
        reasons = []
        if now - self._forwarded > SEEN_FOR_S or self._last_refusal != Answer():
            reasons.append(str(self._last_refusal))
        elif not self._seen and not self._unmatched:
            reasons.append(f"the answers have no {self._identification}")
        if self._unmatched:
            reasons.append(f"{self._identification} names {', '.join(sorted(self._unmatched))}, which is no target")
        return f"GET {self._url}: {'; '.join(reasons)}" if reasons else ""

    async def _who_answers(self) -> str | None:
        """Return the name in the answer to one request on a new connection; None if there is none."""
        headers = {"Connection": "close"}  # a layer-4 balancer sends all requests of one connection to one backend
        if self._host:
            headers["Host"] = self._host
        try:
            async with self._session.get(self._url, headers=headers, timeout=_TIMEOUT, **self._options) as answer:
                if answer.status in self._good:
                    self._forwarded = time.monotonic()
                    return await self._name_in(answer)
                self._last_refusal = Answer(answer.status, answer.headers.get("Location", ""))
        except aiohttp.ClientConnectorCertificateError as error:
            self._bad_certificate = f"its certificate is not accepted: {handshake_problem(error.certificate_error)}"
            self._last_refusal = Answer(problem=self._bad_certificate)
        except aiohttp.ClientConnectorSSLError as error:
            self._last_refusal = Answer(problem=f"the TLS handshake failed: {handshake_problem(error.os_error)}")
        except (aiohttp.ClientError, TimeoutError):
            self._last_refusal = Answer(problem="no answer")
        return None

    async def _name_in(self, answer: aiohttp.ClientResponse) -> str | None:
        fields = {name.lower().encode(): value.encode("latin-1", "replace") for name, value in answer.headers.items()}
        cookies = [each.split(";", 1)[0].strip() for each in answer.headers.getall("Set-Cookie", [])]
        body = bytearray()
        while len(body) < self._identification.keep and (chunk := await answer.content.readany()):
            body += chunk
        return self._identification.read(fields, cookies, body)


def balancer_view(session: aiohttp.ClientSession, endpoints: Endpoints, chaos: ChaosClient) -> BalancerView:
    """Return a client of the admin API if `endpoints` has one, otherwise a view through the traffic port."""
    if endpoints.admin:
        return BalancerClient(session, endpoints)
    return OpaqueBalancer(session, endpoints, chaos)
