"""All workers together: what `lb.process.data_plane_service.Traffic` is to a balancer of one process."""

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
from ..telemetry.log_writer import Lines
from ..telemetry.tally import Gauges, Tally, together
from .fleet import ending, passed_on, story
from .liveness import CHECK_S
from .messages import Do, Explain, Report, Snapshot, Stop, Use
from .process import WorkerProcess

ANSWER_S = 1.0
"""How long a worker may take to answer; what it said last counts then."""
PAUSE_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
"""Before each replacement of a worker that died young again and again; the last one from then on."""
YOUNG_S = 10.0
LATE_S = 2.0
"""What a worker gets beyond `shutdown_timeout` before it is killed."""


class Workforce:
    """Starts workers, tells all of them everything, adds up what they say, and replaces those that die."""

    def __init__(self, config: Config, share: int, balancer: Balancer, emit: Emit, lines: Lines) -> None:
        """`balancer` has no traffic; it stands where the workers' stand. `emit` is told what happens there."""
        self._config = config
        self._share = share
        self._balancer = balancer
        self._emit = emit
        self._lines = lines
        self._sockets: list[dict[str, list[socket.socket]]] = [{} for _ in range(share)]
        self._workers: dict[int, WorkerProcess] = {}
        self._retired = Tally()
        self._keeping: list[asyncio.Task[None]] = []
        self._stopping = False
        self.died = 0

    # --- what the service asks of its data plane ---
    def open(self) -> Mapping[str, Address]:
        """Bind a socket for each worker to every address. Raises `EnvironmentUnfitError`.

        They stay open here as well: connections that arrive while a worker is replaced wait for its successor.
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
        """Return once every worker accepts connections. Raises `EnvironmentUnfitError` if one does not get there."""
        self._keeping = [asyncio.create_task(self._watch())]
        for number in range(self._share):
            self._workers[number] = await self._hire(number)
        for worker in self._workers.values():
            if not await worker.ready():
                raise EnvironmentUnfitError("a worker ended before it was ready")
            self._lines.put("worker_started", worker=worker.number, pid=worker.pid)
        self._keeping += [asyncio.create_task(self._keep(number)) for number in self._workers]
        self._keeping.append(asyncio.create_task(self._tick()))

    def use(self, config: Config) -> None:
        """Go by another configuration from now on."""
        self._config = config
        self.tell(Use(config))

    async def stop(self) -> None:
        """Accept no more, let every worker finish within `shutdown_timeout`."""
        self._stopping = True
        for sockets in self._sockets:
            for sock in (sock for group in sockets.values() for sock in group):
                sock.close()
        self.tell(Stop())
        try:
            async with asyncio.timeout(self._config.shutdown_timeout + LATE_S):
                await asyncio.gather(*(worker.gone() for worker in self._workers.values()))
        except TimeoutError:
            self._lines.put("warning", text="a worker did not stop in time and was killed")
        finally:
            self.close()

    def close(self) -> None:
        """End whatever is left of it."""
        self._stopping = True
        for task in self._keeping:
            task.cancel()
        for worker in self._workers.values():
            worker.kill()

    def on_event(self, event: Event) -> None:
        """Of the parent's balancer: the workers' own tell them everything but this."""
        told = ending(event)
        if told is not None:
            self.tell(told)

    async def refresh(self) -> None:
        """Ask every worker how it stands."""
        workers = list(self._workers.values())
        answers = await asyncio.gather(*(worker.ask(Report, ANSWER_S) for worker in workers))
        for worker, answer in zip(workers, answers, strict=True):
            if isinstance(answer, Snapshot):
                worker.latest = answer
        self._show_latency()

    async def explain(self, last: int, backend: str, request_id: str) -> list[dict[str, Any]]:
        """The decisions about the latest requests of all workers, the newest first."""

        def question(number: int) -> Explain:
            return Explain(number, last, backend, request_id)

        answers = await asyncio.gather(*(worker.ask(question, ANSWER_S) for worker in self._workers.values()))
        entries = [entry for answer in answers for entry in answer or ()]
        return sorted(entries, key=lambda entry: entry["mono"], reverse=True)[:last]

    @property
    def tally(self) -> Tally:
        """What all workers have counted, those that are gone included."""
        whole = together([self._retired, *(worker.latest.tally for worker in self._workers.values())])
        whole.dropped_lines += self._lines.dropped
        return whole

    @property
    def gauges(self) -> Gauges:
        """How they stand together."""
        whole = Gauges()
        for worker in self._workers.values():
            whole.add(worker.latest.gauges)
        return whole

    # --- the workers ---
    def tell(self, message: object, but: WorkerProcess | None = None) -> None:
        """Tell every worker, or all but one."""
        for worker in self._workers.values():
            if worker is not but:
                worker.send(message)

    async def _hire(self, number: int) -> WorkerProcess:
        worker = WorkerProcess(number, self._sockets[number], self._happened)

        def missed() -> list[Do]:
            self._workers[number] = worker
            return list(story(self._balancer, self._config.health.fall))

        await worker.start(self._config, self._share, missed)
        return worker

    async def _keep(self, number: int) -> None:
        """Replace the worker whenever it ends."""
        deaths = 0
        while True:
            hired = time.monotonic()
            code = await self._workers[number].gone()
            if self._stopping:
                return
            self.died += 1
            deaths = deaths + 1 if time.monotonic() - hired < YOUNG_S else 0
            old = self._workers[number]
            self._lines.put("worker_died", worker=number, pid=old.pid, exit_code=code)
            await asyncio.sleep(PAUSE_S[min(deaths, len(PAUSE_S) - 1)])
            self._retired.add(old.latest.tally)
            old.latest = Snapshot(Tally(), Gauges(), {})
            worker = await self._hire(number)
            if await worker.ready():
                self._lines.put("worker_started", worker=number, pid=worker.pid)

    async def _watch(self) -> None:
        """End every worker that says nothing any more: it is replaced then as if it had died by itself."""
        looked = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_S)
            before, looked = looked, time.monotonic()
            for worker in self._workers.values():
                worker.pulse.waited(looked - before)
                if worker.running and worker.pulse.stopped(self._config.worker_timeout, started=worker.started):
                    silent_s = round(worker.pulse.silent_s, 3)
                    self._lines.put("worker_hung", worker=worker.number, pid=worker.pid, silent_s=silent_s)
                    worker.pulse.beat()  # said once; again only if it cannot even be killed
                    worker.kill()

    async def _tick(self) -> None:
        """The parent's balancer has no data plane that would tell it the time."""
        while True:
            await asyncio.sleep(self._config.tick)
            self._balancer.tick(time.monotonic())

    def _happened(self, source: WorkerProcess, event: Event) -> None:
        """One worker's news: everybody else's, too, where it is about a backend's standing."""
        if self._balancer.member(event.backend) is None:
            return
        everybody_else = partial(self.tell, but=source)
        if not passed_on(self._balancer, event, time.monotonic(), everybody_else, source.send):
            self._emit(event)

    def _show_latency(self) -> None:
        """The mean of the workers' means: only shown here, since nothing is picked by it."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        for worker in self._workers.values():
            for backend_id, mean in worker.latest.latency.items():
                found[backend_id].append(mean)
        for backend in self._balancer.backends:
            means = found.get(backend.id)
            backend.latency_mean = sum(means) / len(means) if means else 0.0
