"""The helper process: keeps the impairments of one network namespace until the last one has ended.

It takes requests on a UNIX socket (`docker exec … chaos.netns.send_line`), each a line with one JSON object:
`{"add": {impairment}}`, `{"remove": kind}`, `{"read": true}`. The answer is one line, `{"error": …}` on failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from ..links.impairment import Impairment
from ..links.mechanisms import ImpossibleError
from . import firewall, shaping
from .commands import CommandError
from .session import Session

READY = "READY "
"""Prefix of the output line that reports that the rules are in place. JSON follows: mechanism, mono."""
SOCKET = "/run/reroute.sock"
"""Path of the UNIX socket, in the helper container's own tmpfs."""


class Helper:
    """Keeps the impairments of one network namespace and serves requests to change them."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or Session()
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._over = asyncio.Event()

    async def run(self, first: Impairment, socket_path: str = SOCKET) -> None:
        """Run until SIGTERM or the end of the last impairment. Raise ImpossibleError."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._over.set)
        self._session.clear()
        try:
            say(**self._add(first))
            server = await asyncio.start_unix_server(self._serve, socket_path)
            await self._over.wait()
            server.close()
        finally:
            self._session.clear()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(socket_path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self.handle(json.loads(await reader.readline()))
        except (ImpossibleError, ValueError, CommandError, OSError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()
        if not self._session.impairments:
            self._over.set()

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request and return the answer. Raise ImpossibleError and ValueError."""
        match request:
            case {"add": body}:
                return self._add(Impairment.from_json(body))
            case {"remove": str(kind)}:
                self._remove(kind)
                return {"left": sorted(self._session.impairments)}
            case {"read": True}:
                return self._session.read()
            case _:
                raise ValueError(f"expected add, remove or read, not {sorted(request)}")

    def _add(self, impairment: Impairment) -> dict[str, Any]:
        mechanism = self._session.add(impairment)
        loop = asyncio.get_running_loop()
        self._ends[impairment.kind] = loop.call_later(impairment.duration_s, self._end, impairment.kind)
        return {"mechanism": mechanism, "mono": time.monotonic()}

    def _remove(self, kind: str) -> None:
        if end := self._ends.pop(kind, None):
            end.cancel()
        self._session.remove(kind)

    def _end(self, kind: str) -> None:
        """Remove an impairment at its end."""
        self._remove(kind)
        if not self._session.impairments:
            self._over.set()


def clear() -> None:
    """Remove the rules of a helper that was killed."""
    firewall.clear()
    shaping.clear()


def probe() -> None:
    """Print which mechanisms this kernel has. They are tried in the network namespace of this process."""
    scope = Impairment("blackhole", 1.0, port=1)
    say(
        netem=shaping.offers("netem"),
        htb=shaping.offers("htb"),
        nfqueue=_works(firewall.queue, scope),
        drop=_works(firewall.drop, scope),
        reset=_works(firewall.reset, Impairment("refuse", 1.0, port=1, direction="in")),
    )


def _works(rule: Callable[[Impairment], None], scope: Impairment) -> bool:
    try:
        rule(scope)
    except CommandError:
        return False
    finally:
        firewall.clear()
    return True


def say(**facts: Any) -> None:
    """Print one line for the chaos service."""
    sys.stdout.write(READY + json.dumps(facts) + "\n")
    sys.stdout.flush()
