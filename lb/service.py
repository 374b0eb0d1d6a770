"""Creates all parts of the balancer, connects them and runs it. Only this module knows every part."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from random import Random

from .admin.app import Admin
from .admin.site import AdminSite, runner_of
from .config.reload import Change, changes
from .config.schema import Config
from .config.units import Address
from .core.balancer import Balancer
from .core.events import Added, Cleared, Emit, Event, Held, PanicChanged, Released, Removed, Suspected, Transition
from .errors import ConfigError
from .process.backend_control import BackendControl
from .process.data_plane_service import DataPlaneService
from .process.listening import address_of, bind
from .process.runtime import describe_build, tune_garbage_collection
from .process.signals import on_hangup, run_until, stop_signals
from .process.tls import describe, expiry_warnings, load
from .process.wiring import certificates_of, open_log
from .telemetry.event_log import EventLog, as_dict
from .telemetry.log_writer import LogWriter
from .telemetry.metrics import Metrics
from .workers.replication import ReplicatingBalancer
from .workers.worker_pool import WorkerPool

CLOCK = time.monotonic
"""The clock whose time the core gets, here and in the data plane. The clock of an event loop may lag behind it."""
_LOGGED = (Added, Removed, Held, Released, Transition, PanicChanged, Suspected, Cleared)


class Service:
    """One running balancer."""

    def __init__(self, config: Config, lines: LogWriter, reread: Callable[[], Config]) -> None:
        """Create the parts. This must happen on the running event loop. Raise ConfigError.

        `reread` reads the configuration again at each reload. It may raise ConfigError too.
        """
        self._loop = asyncio.get_running_loop()
        self._config = config
        self._lines = lines
        self._reread = reread
        self._reloading = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        self._subscribers: list[Emit] = []
        rng = Random()
        out = open_log(config)
        self._requests = LogWriter(out) if out is not None else lines
        self._certificates = certificates_of(config)
        balancer = Balancer(config.core_settings(), rng, self._emit)
        self._balancer: Balancer | ReplicatingBalancer = balancer
        self._traffic: DataPlaneService | WorkerPool
        count = worker_count(config)
        if count == 1:
            self._traffic = DataPlaneService(config, balancer, self._certificates, lines, self._requests, rng)
        else:
            self._traffic = WorkerPool(config, count, balancer, self._emit, lines)
            self._balancer = ReplicatingBalancer(balancer, self._traffic.send_all)
        self._metrics = Metrics(
            self._balancer,
            version(),
            lambda: [self._traffic.totals],
            lambda: self._traffic.gauges,
            self._expiries,
            lambda: self._traffic.workers_died,
        )
        self._log = EventLog()
        self._control = BackendControl(config, self._balancer, CLOCK, rng, self._complain, self._emit)
        self._admin = Admin(
            self._balancer,
            config,
            self._log,
            self._metrics,
            self._traffic,
            CLOCK,
            self.reload,
            version(),
            lambda: self._control.held,
        )
        self._subscribers = [
            self._log.append,
            self._metrics.on_event,
            self._traffic.on_event,
            self._control.on_event,
            self._write_down,
        ]

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish the requests in flight. A second signal ends that at once.

        Raise EnvironmentUnfitError if an address cannot be listened on.
        """
        async with AsyncExitStack() as stack:
            stop, hurry = stack.enter_context(stop_signals(self._loop))
            stack.enter_context(on_hangup(self._loop, self._hung_up))
            if self._requests is not self._lines:
                self._requests.start()
                stack.callback(self._requests.close)
            admin_sockets = bind(self._config.admin.listen)
            addresses = {**self._traffic.open(), "admin.listen": address_of(admin_sockets)}
            self._warn_of_expiry()
            runner = runner_of(self._admin.app())
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            for sock in admin_sockets:
                await AdminSite(runner, sock).start()
            await self._control.discover_once()
            stack.callback(self._traffic.close)
            await self._traffic.start()
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._control.start(group)
                tune_garbage_collection()
                self._lines.put("listening", **_told(addresses), build=describe_build())
                await stop.wait()
                await self._traffic.refresh()
                gauges = self._traffic.gauges
                self._lines.put("stopping", requests=gauges.requests, connections=gauges.connections)
                await run_until(hurry, self._traffic.stop())
                self._control.stop()

    async def reload(self, force: bool = False) -> Sequence[Change]:
        """Read the configuration again and apply it, completely or not at all. Raise ConfigError.

        `force`: immediately remove backends that discovery no longer names, even if no others pass their checks.
        """
        async with self._reloading:
            try:
                changed = await self._change()
            except ConfigError as error:
                self._metrics.reloads["refused"] += 1
                self._lines.put("reload_refused", problems=list(error.problems))
                raise
            if force:
                self._control.force()
            self._metrics.reloads["changed" if changed else "unchanged"] += 1
            self._lines.put("reloaded", changed=[change.key for change in changed])
            self._warn_of_expiry()
            return changed

    async def _change(self) -> Sequence[Change]:
        new = self._reread()
        changed = changes(self._config, new)
        served = load(new.tls) if new.tls is not None else []
        out = open_log(new)
        # From here on no error is raised, and nothing is awaited until every part has the new configuration.
        if out is not None:
            self._requests.redirect(out)
        if self._certificates is not None and new.tls is not None:
            before, after = describe(self._certificates.served), describe(served)
            self._certificates.replace(served, new.tls)
            if before != after:
                changed.append(Change("tls.certificates (files)", before, after))
        self._config = self._admin.config = new
        self._balancer.use(new.core_settings(), CLOCK())
        self._traffic.reconfigure(new)
        await self._control.reconfigure(new)
        return changed

    def _hung_up(self) -> None:
        if self._group is not None:  # else the start is still under way, with the current file
            self._group.create_task(self._reload_for_a_signal())

    async def _reload_for_a_signal(self) -> None:
        """Reload. The error of a refused configuration is only logged, because no client waits for a response."""
        try:
            await self.reload()
        except ConfigError:
            return

    def _emit(self, event: Event) -> None:
        for subscriber in self._subscribers:
            subscriber(event)

    def _write_down(self, event: Event) -> None:
        if isinstance(event, _LOGGED):
            fields = as_dict(event)
            self._lines.put(fields.pop("type"), **fields)

    def _complain(self, text: str) -> None:
        self._lines.put("warning", text=text)

    def _expiries(self) -> Mapping[str, float]:
        served = self._certificates.served if self._certificates is not None else ()
        return {str(one.path): one.expires for one in served}

    def _warn_of_expiry(self) -> None:
        for text in expiry_warnings(self._certificates, time.time()):
            self._complain(text)


def version() -> str:
    """Return the installed version, or `unreleased` if the code is not installed, as in the images."""
    try:
        return installed_version("reroute-lab")
    except PackageNotFoundError:
        return "unreleased"


def worker_count(config: Config) -> int:
    """Return the number of processes that carry traffic. `auto`: as many as the usable processors."""
    return len(os.sched_getaffinity(0)) if config.workers == "auto" else config.workers


def _told(addresses: Mapping[str, Address]) -> dict[str, str]:
    """Return the addresses by their names in the log line `listening`."""
    names = {"listen": "traffic", "tcp.listen": "tcp", "admin.listen": "admin"}
    return {name: str(addresses[key]) for key, name in names.items() if key in addresses}
