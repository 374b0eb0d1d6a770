"""`python -m chaos`: reads the settings, connects the parts and serves. On SIGTERM it heals all faults and ends."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from types import FrameType
from typing import cast

import uvicorn

from .access.auth import SHARED, load_token
from .drivers.runtimes import open_runtime
from .drivers.targets import Runtime
from .engine.engine import Engine
from .engine.events import EventLog
from .engine.journal import Journal
from .engine.keeper import Keeper
from .engine.lease import Lease
from .errors import ChaosError
from .faults import FAULTS
from .faults.extensions import add_extensions
from .http.connection import Patience, connections
from .http.routes import create_app
from .inputs.command_line import CommandError, RuntimeLostError, make_state_dir, run
from .inputs.settings import Settings
from .monkey.monkey_runner import MonkeyRunner

log = logging.getLogger("chaos")

GRACE_S = 1
"""Seconds that requests in flight get at SIGTERM, before the heals, which have their own deadline."""


class _Server(uvicorn.Server):
    """Server that shuts down without skipping the heals.

    At a signal it closes the event streams, which would otherwise last for the whole grace period. It does not raise
    the signal again after serving, as uvicorn does, because that would kill the process before the heals. It prints a
    new token only when it listens, because the token is shown only once.
    """

    def __init__(self, config: uvicorn.Config, events: EventLog, notice: str) -> None:
        super().__init__(config)
        self._events = events
        self._notice = notice

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._notice:
            log.warning(self._notice)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True
        self._events.close()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    add_extensions(FAULTS)
    listener = _listen(settings)  # first: another chaos service's journal and token stay untouched
    make_state_dir(settings.state_dir)
    token, notice = _token(settings)
    _share_misbehave_token(settings)
    runtime = open_runtime(settings)
    events, lease = EventLog(), Lease(settings.state_dir)
    engine = Engine(runtime, Journal(settings.state_dir), events, settings.max_duration)
    runner = MonkeyRunner(engine, runtime, events)
    patience = Patience(settings.head_timeout, settings.body_timeout)
    config = uvicorn.Config(
        create_app(engine, runtime, events, runner, token),
        log_level="warning",
        lifespan="off",
        ws="none",  # no WebSockets; the Upgrade field of a request is ignored
        http=cast(type[asyncio.Protocol], connections(patience)),  # uvicorn only calls it
        timeout_graceful_shutdown=GRACE_S,
    )
    await engine.start()
    await _say_what_is_missing(runtime)
    keeper = asyncio.ensure_future(Keeper(runtime, engine, events, lease, settings.revive_after).run())
    server = _Server(config, events, notice)
    keeper.add_done_callback(lambda _: server.handle_exit(0, None))  # without its keeper the service must end
    try:
        await server.serve(sockets=[listener])
    finally:
        keeper.cancel()
        (failure,) = await asyncio.gather(keeper, return_exceptions=True)
        if not isinstance(failure, RuntimeLostError):  # else the next process heals, from the journal
            await runner.stop_all("shutdown")
            await engine.stop()
        await runtime.close()
    if isinstance(failure, Exception):
        raise failure


async def _say_what_is_missing(runtime: Runtime) -> None:
    """Log why there are no targets. The service goes on, because they may appear."""
    try:
        await runtime.targets()
        reason = await runtime.obstacle()
    except ChaosError as error:
        reason = error.detail
    if reason:
        log.warning("%s", reason)


def _listen(settings: Settings) -> socket.socket:
    """Return a bound socket. It is bound here because uvicorn would report a bind error in another form."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(
            f"cannot listen on {settings.host}:{settings.port}: {reason}",
            "end the program that listens there, or set CHAOS_HOST and CHAOS_PORT to a free address of this machine",
        ) from error
    return listener


def _token(settings: Settings) -> tuple[str, str]:
    """Return the token, and the notice to print if it is new, else an empty notice."""
    if settings.token:
        return settings.token, ""
    path = settings.state_dir / "token"
    token, is_new = load_token(path)
    return token, f"token (shown once, kept in {path}): {token}" if is_new else ""


def _share_misbehave_token(settings: Settings) -> None:
    """Create the token file that the backends read, if it does not exist."""
    path = settings.misbehave_token_file
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        load_token(path, SHARED)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(
            f"cannot write CHAOS_MISBEHAVE_TOKEN_FILE={str(path)!r}: {reason}",
            "name a file that this user can write and the backends can read",
        ) from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Return the exit code: 254 for invalid arguments or variables, 255 if this host lacks something."""
    return run("chaos", "The chaos service: injects faults and heals each of them.", serve, arguments)


if __name__ == "__main__":
    sys.exit(main())
