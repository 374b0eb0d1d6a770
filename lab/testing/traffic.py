"""Open-loop traffic from a test, and its outcomes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EnvironmentProblemError
from ..evidence.history import Outcome, Request, read_history
from ..scenario.plan import Plan, PlannedLoad, PlannedRequest
from ..services.endpoints import Endpoints
from ..traffic.process import TrafficProcess
from .lab import run_folder
from .synchronous import Runner

LONGEST_S = 300.0
"""Seconds after which traffic ends by itself, even if the test hangs."""
_LEAD_S = 0.1


@dataclass(slots=True)
class Flow:
    """The traffic of one `with` block. `requests` is filled when the block has ended."""

    slow_s: float
    requests: list[Request] = field(default_factory=list)

    @property
    def failed(self) -> list[Request]:
        """Requests with an error response, no response in time, or a refused connection."""
        return [request for request in self.requests if request.outcome is not Outcome.OK]

    @property
    def slow(self) -> list[Request]:
        """Requests with a good response later than the threshold."""
        return [request for request in self.requests if request.is_slow(self.slow_s)]

    @property
    def backends(self) -> set[str]:
        """Ids of the backends that answered."""
        return {request.backend for request in self.requests if request.backend}


class Traffic:
    """The fixture `traffic`: `with traffic.flow(rate=100) as flow: …`, then read `flow`."""

    def __init__(self, endpoints: Endpoints, results: Path) -> None:
        self._endpoints = endpoints
        self._results = results

    @contextlib.contextmanager
    def flow(
        self, rate: float = 100.0, request: str = "GET /work?sleep_ms=2", patience_s: float = 3.0, slow_s: float = 0.25
    ) -> Iterator[Flow]:
        """Send `rate` requests a second on schedule, independent of earlier ones, until the block ends.

        `patience_s` is the longest wait for a response, `slow_s` the threshold of `Flow.slow`, both in seconds.
        Raise EnvironmentProblemError if the generator fails, ValueError if `request` is not `METHOD /path`.
        """
        method, _, path = request.partition(" ")
        if not path.startswith("/"):
            raise ValueError(f"request {request!r}: expected a method and a path, such as 'GET /whoami'")
        load = PlannedLoad(rate, "constant", True, patience_s, slow_s, (PlannedRequest(method, path, 1.0),))
        folder = run_folder(self._results, "traffic")
        _plan(load).write(folder)
        flow = Flow(slow_s)
        with Runner() as runner:
            process = runner.run(_begin(folder, self._endpoints))
            try:
                yield flow
            finally:
                failure = runner.run(_end(process, patience_s))
                flow.requests = read_history(folder / "history.jsonl").requests
        if failure:
            raise EnvironmentProblemError(f"the traffic generator failed: {failure}")


async def _begin(folder: Path, endpoints: Endpoints) -> TrafficProcess:
    process = await TrafficProcess.start(folder, endpoints, folder.name)
    process.go(time.monotonic() + _LEAD_S)
    return process


async def _end(process: TrafficProcess, patience_s: float) -> str:
    await process.stop(patience_s)
    return await process.failure()


def _plan(load: PlannedLoad) -> Plan:
    return Plan(
        scenario="traffic",
        title="Traffic of a test",
        description="",
        seed=1,
        load=load,
        warm_up_s=0.0,
        steady_s=LONGEST_S,
        steps=(),
        settle_s=0.0,
        settle_limit_s=0.0,
        expect={},
    )
