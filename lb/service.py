"""Wires the balancer together and runs it: the only module that knows every part."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from random import Random

from aiohttp import web

from lb.access_log import AccessLog
from lb.admin.app import Admin
from lb.config import Config
from lb.core.balancer import Balancer
from lb.core.events import Added, Cleared, Emit, Event, PanicChanged, ProbeWanted, Removed, Suspected, Transition
from lb.decision_log import DecisionLog
from lb.discovery import Change, Follower, Insert
from lb.errors import EnvironmentUnfitError
from lb.event_log import EventLog, as_dict
from lb.lines import Lines
from lb.metrics import Metrics
from lb.prober import Prober
from lb.proxy.affinity import key_source
from lb.proxy.record import OnDone, Record
from lb.proxy.server import ProxyRunner, ProxyServer
from lb.units import Address
from lb.wiring import probe_of, source_of, stickiness_of

CLOCK = time.monotonic
"""The one clock that the core is told the time by, here and in the data plane; a loop's own may lag behind it."""
BACKLOG = 1024
"""Connections that may wait to be accepted: a burst of clients, while one turn of the loop is served."""
_ADMIN_SHUTDOWN_S = 0.5
"""Event streams never end by themselves."""
_LOGGED = (Added, Removed, Transition, PanicChanged, Suspected, Cleared)


class Service:
    """One running balancer."""

    def __init__(self, config: Config, lines: Lines) -> None:
        """Must be called on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._lines = lines
        self._subscribers: list[Emit] = []
        rng = Random()
        self._settings = config.core_settings()
        self._balancer = Balancer(self._settings, rng, self._emit)
        self._decisions = DecisionLog(config.decisions)
        self._metrics = Metrics(self._balancer, version(), lambda: self._proxy.connections)
        self._proxy = ProxyServer(
            self._balancer,
            config.proxy_limits(),
            connect_timeout=config.retry.connect_timeout,
            tick=config.tick,
            trusted=config.trusted_proxies,
            on_done=self._on_done(rng),
            key_of=key_source(config.hash.by, config.trusted_proxies),
            sticky=stickiness_of(config),
            load_feedback=config.load_feedback,
            panic=config.panic,
        )
        self._log = EventLog()
        self._probe = probe_of(self._settings.health)
        self._sync_due = False
        self._prober = Prober(self._balancer, self._probe, CLOCK, rng)
        self._follower = Follower(source_of(config), self._apply, self._complain)
        self._subscribers = [
            self._log.append,
            self._metrics.on_event,
            self._proxy.on_event,
            self._steer_prober,
            self._write_down,
        ]

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second signal ends what the first one waits for.

        Raises `EnvironmentUnfitError` when an address cannot be listened on.
        """
        async with AsyncExitStack() as stack:
            stop, hurry = stack.enter_context(_signals(self._loop))
            await stack.enter_async_context(self._probe)
            admin = Admin(self._balancer, self._config, self._log, self._metrics, self._decisions, CLOCK, version())
            admin_runner = web.AppRunner(admin.app(), access_log=None, shutdown_timeout=_ADMIN_SHUTDOWN_S)
            stack.push_async_callback(admin_runner.cleanup)
            admin_at = await _listen(admin_runner, self._config.admin.listen)
            await self._follower.step()
            traffic_runner = ProxyRunner(self._proxy, shutdown_timeout=self._config.shutdown_timeout)
            traffic_at = await _listen(traffic_runner, self._config.listen)
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(self._prober.run()), group.create_task(self._follower.run())]
                self._lines.put("listening", traffic=str(traffic_at), admin=str(admin_at))
                await stop.wait()
                self._lines.put("stopping", requests=self._proxy.requests, connections=self._proxy.connections)
                await _unless(hurry, traffic_runner.cleanup())
                for task in background:
                    task.cancel()

    def _emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)

    def _on_done(self, rng: Random) -> OnDone:
        told: list[OnDone] = [self._metrics.done]
        if self._config.decisions:
            told.append(self._decisions.keep)
        if self._config.access_log.enabled:
            told.append(AccessLog(self._lines, self._config.access_log.sample, rng))

        def done(record: Record) -> None:
            for one in told:
                one(record)

        return done

    def _steer_prober(self, event: Event) -> None:
        if isinstance(event, ProbeWanted):
            self._prober.wake(event.backend)
        elif isinstance(event, Added | Removed) and not self._sync_due:
            # Later, since the core is in the middle of the change that it reports; and once for all that change now.
            self._sync_due = True
            self._loop.call_soon(self._sync_prober)

    def _sync_prober(self) -> None:
        self._sync_due = False
        self._prober.sync()

    def _write_down(self, event: Event) -> None:
        if isinstance(event, _LOGGED):
            fields = as_dict(event)
            self._lines.put(fields.pop("type"), **fields)

    def _apply(self, change: Change) -> None:
        now = CLOCK()
        if isinstance(change, Insert):
            member = change.member
            self._balancer.insert(member.id, member.host, member.port, now, member.weight)
        else:
            with contextlib.suppress(KeyError):  # the operator was faster
                self._balancer.remove(change.id, now)

    def _complain(self, text: str) -> None:
        self._lines.put("warning", text=text)


def version() -> str:
    """The release; the images carry the code without installing it."""
    try:
        return installed_version("reroute")
    except PackageNotFoundError:
        return "unreleased"


async def _listen(runner: web.BaseRunner, where: Address) -> Address:
    """Start accepting; answers the actual address, which tells the port when 0 was asked for."""
    await runner.setup()
    try:
        await web.TCPSite(runner, where.host, where.port, backlog=BACKLOG).start()
    except OSError as error:
        await runner.cleanup()
        raise EnvironmentUnfitError(f"cannot listen on {where}: {_why(error)}") from error
    host, port = runner.addresses[0][:2]
    return Address(host, port)


def _why(error: OSError) -> str:
    """asyncio words a failed bind as `[Errno 98] error while attempting to bind on address …: the reason`."""
    return (error.strerror or str(error)).rpartition(": ")[2]


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: set by the first and by the second SIGTERM or SIGINT."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def received() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received)
    try:
        yield stop, hurry
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _unless(hurry: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Wait for `work`, but no longer than until `hurry` is set."""
    tasks = {asyncio.create_task(work), asyncio.create_task(hurry.wait())}
    _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
