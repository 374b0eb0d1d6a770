"""One worker: a data plane with a balancer of its own, whose backends and their states come from the parent."""

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
from ..process.data_plane_service import DataPlaneService
from ..process.runtime import tune_garbage_collection
from ..process.wiring import certificates_of, open_log
from ..telemetry.log_writer import LogWriter
from .messages import (
    BalancerCall,
    DecisionsRequest,
    EventReport,
    MessageChannel,
    Ready,
    Reconfigure,
    Reply,
    Snapshot,
    SnapshotRequest,
    Start,
    Stop,
)
from .replication import BalancerReplica

SNAPSHOT_S = 1.0
"""Seconds between two reports of statistics. If a worker dies, its counts since the last report are lost."""
_ALWAYS_REPORTED = (Suspected, Cleared, ProbeWanted)
_REPORTED_UNLESS_CONGESTED = (AttemptFailed, Hedged)


class Worker:
    """Serves traffic until its parent sends Stop or ends."""

    def __init__(self, start: Start, channel: MessageChannel, lines: LogWriter) -> None:
        """Create the worker. This must happen on the running event loop."""
        self._share = start.share
        self._channel = channel
        self._lines = lines
        self._config = start.config
        self._subscribers: list[Emit] = []
        self._applying = False
        rng = Random()
        out = open_log(start.config)
        self._requests = LogWriter(out, atomic=True) if out is not None else lines
        self._certificates = certificates_of(start.config)
        self._balancer = Balancer(settings_of(start.config, start.share), rng, self._emit)
        self._traffic = DataPlaneService(
            divide_limits(start.config, start.share), self._balancer, self._certificates, lines, self._requests, rng
        )
        self._replica = BalancerReplica(self._balancer, time.monotonic)
        self._subscribers = [self._traffic.on_event, self._report_event]
        self._sockets = {
            key: [socket.socket(fileno=number) for number in numbers] for key, numbers in start.sockets.items()
        }

    async def run(self) -> None:
        """Serve until the parent sends Stop or ends, or until SIGTERM."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for number in (signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, lambda: None)  # Ctrl-C reaches all processes; the parent handles it
        if self._requests is not self._lines:
            self._requests.start()
        receiving = loop.create_task(self._receive(stop))
        reporting = loop.create_task(self._keep_reporting())
        await stop.wait()
        await self._traffic.stop()
        for task in (receiving, reporting):
            task.cancel()
        self._channel.send(self._snapshot())
        await self._channel.flush()
        self._channel.close()
        if self._requests is not self._lines:
            self._requests.close()

    async def _receive(self, stop: asyncio.Event) -> None:
        try:
            while True:
                message = await self._channel.receive()
                if isinstance(message, Stop):
                    break
                await self._handle(message)
        except EOFError:
            pass  # the parent has ended, so there are no more probes
        stop.set()

    async def _handle(self, message: object) -> None:
        match message:
            case BalancerCall():
                self._apply(lambda: self._replica.do(message))
            case Reconfigure(config):
                self._reconfigure(config)
            case SnapshotRequest(request):
                self._channel.send(Reply(request, self._snapshot()))
            case DecisionsRequest(request, last, backend, request_id):
                self._channel.send(Reply(request, await self._traffic.explain(last, backend, request_id)))
            case Ready():  # all backend states have been received before
                await self._traffic.start(self._sockets)
                tune_garbage_collection()
                self._channel.send(Ready())

    def _reconfigure(self, config: Config) -> None:
        """Apply a configuration that the parent has checked. If one of its files is unusable now, change nothing."""
        self._config = config
        self._apply(lambda: self._balancer.use(settings_of(config, self._share), time.monotonic()))
        self._traffic.reconfigure(divide_limits(config, self._share))
        if self._certificates is not None and config.tls is not None:
            self._certificates.reload(config.tls, self._warn)
        if config.access_log.path is not None:
            out = open_log(config)
            if out is not None:
                self._requests.redirect(out)

    def _apply(self, change: Callable[[], None]) -> None:
        """Make a change that the parent has sent, without reporting the resulting events to it."""
        self._applying = True
        try:
            change()
        finally:
            self._applying = False

    def _emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)

    def _report_event(self, event: Event) -> None:
        if self._applying:
            return
        ejected = isinstance(event, Transition) and event.new is State.EJECTED
        if (
            ejected
            or isinstance(event, _ALWAYS_REPORTED)
            or (isinstance(event, _REPORTED_UNLESS_CONGESTED) and not self._channel.congested)
        ):
            self._channel.send(EventReport(event))

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_S)
            self._channel.send(self._snapshot())

    def _snapshot(self) -> Snapshot:
        latency = {one.id: one.latency_mean for one in self._balancer.backends if one.latency_mean}
        return Snapshot(self._traffic.totals, self._traffic.gauges, latency)

    def _warn(self, text: str) -> None:
        self._lines.put("warning", text=text)


def divide_limits(config: Config, share: int) -> Config:
    """Return the configuration for one of `share` workers: each limit is divided by their number and rounded up."""
    limits = config.limits.model_copy(update={"connections": ceil(config.limits.connections / share)})
    return config.model_copy(update={"limits": limits})


def settings_of(config: Config, share: int) -> Settings:
    """Return the core's settings for one of `share` workers. Limits for the whole balancer are divided among them."""
    whole = config.core_settings()
    admission = replace(
        whole.admission,
        max_in_flight=ceil(whole.admission.max_in_flight / share),
        max_queue=ceil(whole.admission.max_queue / share),
    )
    retry = replace(whole.retry, budget_min_per_s=whole.retry.budget_min_per_s / share)
    return replace(whole, admission=admission, retry=retry, follower=True)
