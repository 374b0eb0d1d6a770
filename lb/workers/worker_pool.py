"""Manages all workers. Replaces `lb.process.data_plane_service` if the balancer has several processes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..config.schema import Config
from ..config.units import Address
from ..core.balancer import Balancer
from ..core.events import Emit, Event
from ..errors import EnvironmentUnfitError
from ..process.listening import address_of, bind
from ..telemetry.log_writer import LogWriter
from ..telemetry.request_stats import Gauges, RequestTotals, sum_totals
from .liveness import CHECK_S
from .messages import BalancerCall, DecisionsRequest, Reconfigure, Snapshot, SnapshotRequest, Stop
from .replication import end_of_ejection, replay, share_event
from .worker_process import WorkerProcess

REPLY_S = 1.0
"""Seconds to wait for a worker's reply. After that, its last statistics are used."""
PAUSE_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is replaced, by the number of consecutive times that it has ended early."""
EARLY_S = 10.0
"""A worker that ends within this many seconds of its start has ended early."""
LATE_S = 2.0
"""Seconds after `shutdown_timeout` at which a worker that has not ended is killed."""


class WorkerPool:
    """Starts workers, sends them all changes, sums up their statistics, and replaces those that die."""

    def __init__(self, config: Config, share: int, balancer: Balancer, emit: Emit, lines: LogWriter) -> None:
        """`balancer` serves no traffic but has the same state as the workers' balancers. `emit` gets their events."""
        self._config = config
        self._share = share
        self._balancer = balancer
        self._emit = emit
        self._lines = lines
        self._sockets: list[dict[str, list[socket.socket]]] = [{} for _ in range(share)]
        self._workers: dict[int, WorkerProcess] = {}
        self._retired = RequestTotals()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.workers_died = 0

    # --- the interface of `DataPlaneService`, called by the service ---

    def open(self) -> Mapping[str, Address]:
        """Bind one socket for each worker to each address. Raise EnvironmentUnfitError if that fails.

        The sockets also stay open in the parent, so that connections that arrive while a worker is replaced wait for
        the new one.
        """
        found = {}
        for key, where in (("listen", self._config.listen), ("tcp.listen", self._config.tcp.listen)):
            if where is None:
                continue
            self._sockets[0][key] = bind(where, shared=True)
            found[key] = address_of(self._sockets[0][key])
            for sockets in self._sockets[1:]:
                sockets[key] = bind(found[key] if where.port == 0 else where, shared=True)
        return found

    async def start(self) -> None:
        """Return when all workers accept connections. Raise EnvironmentUnfitError if one ends before that."""
        self._tasks = [asyncio.create_task(self._watch())]
        for number in range(self._share):
            self._workers[number] = await self._start_worker(number)
        for worker in self._workers.values():
            if not await worker.ready():
                raise EnvironmentUnfitError("a worker ended before it was ready")
            self._lines.put("worker_started", worker=worker.number, pid=worker.pid)
        self._tasks += [asyncio.create_task(self._replace_whenever_ended(number)) for number in self._workers]
        self._tasks.append(asyncio.create_task(self._tick()))

    def reconfigure(self, config: Config) -> None:
        """Apply another configuration from now on."""
        self._config = config
        self.send_all(Reconfigure(config))

    async def stop(self) -> None:
        """Stop accepting connections, and let all workers finish their requests within `shutdown_timeout`."""
        self._stopping = True
        for sockets in self._sockets:
            for sock in (sock for group in sockets.values() for sock in group):
                sock.close()
        self.send_all(Stop())
        try:
            async with asyncio.timeout(self._config.shutdown_timeout + LATE_S):
                await asyncio.gather(*(worker.wait() for worker in self._workers.values()))
        except TimeoutError:
            self._lines.put("warning", text="a worker did not stop in time and was killed")
        finally:
            self.close()

    def close(self) -> None:
        """Kill the workers that have not ended."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for worker in self._workers.values():
            worker.kill()

    def on_event(self, event: Event) -> None:
        """Send the end of an ejection to all workers. They get other state changes from `ReplicatingBalancer`."""
        call = end_of_ejection(event)
        if call is not None:
            self.send_all(call)

    async def refresh(self) -> None:
        """Request current statistics from every worker."""
        workers = list(self._workers.values())
        replies = await asyncio.gather(*(worker.ask(SnapshotRequest, REPLY_S) for worker in workers))
        for worker, reply in zip(workers, replies, strict=True):
            if isinstance(reply, Snapshot):
                worker.latest = reply
        self._show_latency()

    async def explain(self, last: int, backend: str, request_id: str) -> list[dict[str, Any]]:
        """Return the decisions about the latest requests of all workers, newest first."""

        def request(number: int) -> DecisionsRequest:
            return DecisionsRequest(number, last, backend, request_id)

        replies = await asyncio.gather(*(worker.ask(request, REPLY_S) for worker in self._workers.values()))
        entries = [entry for reply in replies for entry in reply or ()]
        return sorted(entries, key=lambda entry: entry["mono"], reverse=True)[:last]

    @property
    def totals(self) -> RequestTotals:
        """Return the counts of all workers, including those that have ended."""
        whole = sum_totals([self._retired, *(worker.latest.totals for worker in self._workers.values())])
        whole.dropped_lines += self._lines.dropped
        return whole

    @property
    def gauges(self) -> Gauges:
        """Return the current values, summed over all workers."""
        whole = Gauges()
        for worker in self._workers.values():
            whole.add(worker.latest.gauges)
        return whole

    # --- the workers ---

    def send_all(self, message: object, *, except_for: WorkerProcess | None = None) -> None:
        """Send a message to every worker, or to all but one."""
        for worker in self._workers.values():
            if worker is not except_for:
                worker.send(message)

    async def _start_worker(self, number: int) -> WorkerProcess:
        worker = WorkerProcess(number, self._sockets[number], self._on_worker_event)

        def current_state() -> list[BalancerCall]:
            self._workers[number] = worker
            return list(replay(self._balancer, self._config.health.fall))

        await worker.start(self._config, self._share, current_state)
        return worker

    async def _replace_whenever_ended(self, number: int) -> None:
        """Replace the worker each time it ends."""
        deaths = 0
        while True:
            started = time.monotonic()
            code = await self._workers[number].wait()
            if self._stopping:
                return
            self.workers_died += 1
            deaths = deaths + 1 if time.monotonic() - started < EARLY_S else 0
            old = self._workers[number]
            self._lines.put("worker_died", worker=number, pid=old.pid, exit_code=code)
            await asyncio.sleep(PAUSE_S[min(deaths, len(PAUSE_S) - 1)])
            self._retired.add(old.latest.totals)
            old.latest = Snapshot(RequestTotals(), Gauges(), {})
            worker = await self._start_worker(number)
            if await worker.ready():
                self._lines.put("worker_started", worker=number, pid=worker.pid)

    async def _watch(self) -> None:
        """Kill workers that hang. `_replace_whenever_ended` replaces them like others that have ended."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_S)
            before, looked = looked, time.monotonic()
            for worker in self._workers.values():
                worker.liveness.add_silence(looked - before)
                if worker.running and worker.liveness.is_hung(self._config.worker_timeout, started=worker.started):
                    silent_s = round(worker.liveness.silent_s, 3)
                    self._lines.put("worker_hung", worker=worker.number, pid=worker.pid, silent_s=silent_s)
                    worker.liveness.heard()  # so that it is logged again only if the kill fails
                    worker.kill()

    async def _tick(self) -> None:
        """Tick the parent's balancer, which has no data plane that does so."""
        while True:
            await asyncio.sleep(self._config.tick)
            self._balancer.tick(time.monotonic())

    def _on_worker_event(self, source: WorkerProcess, event: Event) -> None:
        """Handle a worker's event: apply it to the other workers if it changes a backend's state, else emit it."""
        if self._balancer.member(event.backend) is None:
            return
        send_others = partial(self.send_all, except_for=source)
        if not share_event(self._balancer, event, time.monotonic(), send_others, source.send):
            self._emit(event)

    def _show_latency(self) -> None:
        """Set each backend's latency, which is only displayed, to the mean of the workers' means."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for worker in self._workers.values():
            for backend_id, mean in worker.latest.latency.items():
                found[backend_id].append(mean)
        for backend in self._balancer.backends:
            means = found.get(backend.id)
            backend.latency_mean = sum(means) / len(means) if means else 0.0
