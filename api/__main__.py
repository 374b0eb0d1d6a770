"""`python -m api`: run one replica, configured by `API_*` environment variables."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn, cast

import uvicorn

from .app import create_app
from .auth import leave_token
from .connection import Limits, connections
from .errors import EnvironmentUnfitError, SettingsError
from .replica import Replica
from .settings import Settings, from_environment, user_of, variables


class Server(uvicorn.Server):
    """uvicorn server that prints its address when it listens."""

    def __init__(self, config: uvicorn.Config, instance: str) -> None:
        super().__init__(config)
        self._instance = instance

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections, then print the address in a JSON line: with `API_PORT=0` the kernel chose it."""
        await super().startup(sockets)
        for listener in sockets or []:
            host, port = listener.getsockname()[:2]
            line = {"event": "listening", "address": f"{host}:{port}", "instance": self._instance, "pid": os.getpid()}
            sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise SettingsError, for a short message and exit code 254 instead of argparse's usage text and 2."""
        raise SettingsError(f"{message}\n  next: {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then finish the requests in flight. Return the exit code."""
    try:
        _parser().parse_args(arguments)
        settings = from_environment(os.environ)
        settings = _with_own_token(settings)
        if settings.own_user:
            _become(user_of(settings.instance))
        listener = _listen(settings)
        replica = _replica(settings)
    except (SettingsError, EnvironmentUnfitError) as error:
        sys.stderr.write(f"api: {error}\n")
        return error.exit_code
    # uvicorn raises the signal again after it has stopped. Ignoring it here makes the exit code of a graceful stop 0.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with contextlib.suppress(KeyboardInterrupt):
        _server(settings, replica).run(sockets=[listener])
    return 0


def _parser() -> _Parser:
    rows = [f"  {name:<24} {default or '(empty)':<12} {meaning}" for name, default, meaning in variables()]
    return _Parser(
        prog="python -m api",
        description="One replica of the API.",
        epilog="\n".join(["environment variables, their defaults and meaning:", *rows]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _server(settings: Settings, replica: Replica) -> Server:
    limits = Limits(settings.keep_alive_s, settings.head_timeout_s, settings.body_timeout_s, settings.max_connections)
    return Server(
        uvicorn.Config(
            create_app(replica, settings.prefix),
            http=cast(type[asyncio.Protocol], connections(limits)),  # uvicorn only calls it
            access_log=False,
            log_level="warning",
            # The replica must show the fields that the balancer sent, not uvicorn's interpretation of them.
            proxy_headers=False,
            server_header=False,
            # Set by the server and not by a middleware, so that uvicorn's own 400 responses also have it.
            headers=[("X-Instance", settings.instance)],
            ws_per_message_deflate=False,
            timeout_keep_alive=round(settings.keep_alive_s),
            timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout_s)),
        ),
        settings.instance,
    )


def _listen(settings: Settings) -> socket.socket:
    """Return a bound socket. It is bound here because uvicorn would report a bind error in another form."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        # asyncio disables Nagle's algorithm only if the protocol is explicit; with it, delayed ACKs would add 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        reason = error.strerror or error
        raise EnvironmentUnfitError(f"cannot listen on {settings.host}:{settings.port}: {reason}") from error
    return listener


def _with_own_token(settings: Settings) -> Settings:
    folder = settings.misbehave_token_dir
    if folder is None:
        return settings
    try:
        return replace(settings, misbehave_token=leave_token(folder, settings.instance))
    except OSError as error:
        raise EnvironmentUnfitError(
            f"cannot write API_MISBEHAVE_TOKEN_DIR={str(folder)!r}: {error.strerror}"
        ) from error


def _become(user: int) -> None:
    """Change to this user, which permanently drops root and all its capabilities."""
    try:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError as error:
        raise EnvironmentUnfitError(f"cannot become user {user} (API_OWN_USER=1): {error.strerror}") from error


def _replica(settings: Settings) -> Replica:
    try:
        return Replica.create(settings)
    except OSError as error:
        raise EnvironmentUnfitError(f"cannot write the ledger in {settings.ledger_dir}: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
