"""One worker: a data plane with a balancer of its own, which is told by the parent who the backends are and how."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from random import Random

from ..config.schema import Config
from ..core.backend import State
from ..core.balancer import Balancer
from ..core.events import AttemptFailed, Cleared, Emit, Event, Hedged, ProbeWanted, Suspected, Transition
from ..core.settings import Settings
from ..process import garbage_collection
from ..process.data_plane_service import Traffic
from ..process.wiring import certificates_of, open_log
from ..telemetry.log_writer import Lines
from .fleet import Follower
from .messages import Answer, Begin, Do, Explain, Happened, Link, Ready, Report, Snapshot, Stop, Use

SNAPSHOT_S = 1.0
"""How often counts are sent unasked: what a worker that dies has counted since then is lost."""
_NEWS = (Suspected, Cleared, ProbeWanted)
_STATISTICS = (AttemptFailed, Hedged)


class Worker:
    """Lives as long as its parent wants it to, and no longer than that."""

    def __init__(self, begin: Begin, link: Link, lines: Lines) -> None:
        """Must be called on the running loop."""
        self._share = begin.share
        self._link = link
        self._lines = lines
        self._config = begin.config
        self._subscribers: list[Emit] = []
        self._following = False
        rng = Random()
        out = open_log(begin.config)
        self._requests = Lines(out, whole=True) if out is not None else lines
        self._certificates = certificates_of(begin.config)
        self._balancer = Balancer(settings_of(begin.config, begin.share), rng, self._emit)
        self._traffic = Traffic(
            shared(begin.config, begin.share), self._balancer, self._certificates, lines, self._requests, rng
        )
        self._follower = Follower(self._balancer, time.monotonic)
        self._subscribers = [self._traffic.on_event, self._report_news]
        self._sockets = {
            key: [socket.socket(fileno=number) for number in numbers] for key, numbers in begin.sockets.items()
        }

    async def run(self) -> None:
        """Serve until told to stop, by the parent, by its end, or by SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for number in (signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)  # meant for the parent, which says what is to be done
        if self._requests is not self._lines:
            self._requests.start()
        obeying = loop.create_task(self._obey(stop))
        reporting = loop.create_task(self._keep_reporting())
        await stop.wait()
        await self._traffic.stop()
        for task in (obeying, reporting):
            task.cancel()
        self._link.send(self._snapshot())
        await self._link.flush()
        self._link.close()
        if self._requests is not self._lines:
            self._requests.close()

    async def _obey(self, stop: asyncio.Event) -> None:
        try:
            while True:
                message = await self._link.receive()
                if isinstance(message, Stop):
                    break
                await self._handle(message)
        except EOFError:
            pass  # the parent is gone: nobody would probe for us
        stop.set()

    async def _handle(self, message: object) -> None:
        match message:
            case Do():
                self._follow(lambda: self._follower.do(message))
            case Use(config):
                self._use(config)
            case Report(question):
                self._link.send(Answer(question, self._snapshot()))
            case Explain(question, last, backend, request_id):
                self._link.send(Answer(question, await self._traffic.explain(last, backend, request_id)))
            case Ready():  # everything that was to be known first is known
                await self._traffic.start(self._sockets)
                garbage_collection.settle()
                self._link.send(Ready())

    def _use(self, config: Config) -> None:
        """The parent has checked it; a file that has changed since leaves what depends on it as it was."""
        self._config = config
        self._follow(lambda: self._balancer.use(settings_of(config, self._share), time.monotonic()))
        self._traffic.use(shared(config, self._share))
        if self._certificates is not None and config.tls is not None:
            self._certificates.renew(config.tls, self._complain)
        if config.access_log.path is not None:
            out = open_log(config)
            if out is not None:
                self._requests.turn_to(out)

    def _follow(self, change: Callable[[], None]) -> None:
        """What happens through the parent's word is no news to it."""
        self._following = True
        try:
            change()
        finally:
            self._following = False

    def _emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)

    def _report_news(self, event: Event) -> None:
        if self._following:
            return
        ejected = isinstance(event, Transition) and event.new is State.EJECTED
        if ejected or isinstance(event, _NEWS) or (isinstance(event, _STATISTICS) and not self._link.congested):
            self._link.send(Happened(event))

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_S)
            self._link.send(self._snapshot())

    def _snapshot(self) -> Snapshot:
        latency = {one.id: one.latency_mean for one in self._balancer.backends if one.latency_mean}
        return Snapshot(self._traffic.tally, self._traffic.gauges, latency)

    def _complain(self, text: str) -> None:
        self._lines.put("warning", text=text)


def shared(config: Config, share: int) -> Config:
    """The part of the limits that one of `share` workers has, rounded up."""
    limits = config.limits.model_copy(update={"connections": ceil(config.limits.connections / share)})
    return config.model_copy(update={"limits": limits})


def settings_of(config: Config, share: int) -> Settings:
    """The core's settings, with this worker's part of what is counted for all."""
    whole = config.core_settings()
    admission = replace(
        whole.admission,
        max_in_flight=ceil(whole.admission.max_in_flight / share),
        max_queue=ceil(whole.admission.max_queue / share),
    )
    retry = replace(whole.retry, budget_min_per_s=whole.retry.budget_min_per_s / share)
    return replace(whole, admission=admission, retry=retry, follower=True)
