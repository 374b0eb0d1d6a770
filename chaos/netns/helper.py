"""The helper's life in a network namespace: takes impairments, each with its own end, until the last one is over.

It is told more through a UNIX socket (`docker exec … chaos.netns.send_line`), one JSON object a line:
`{"add": {impairment}}`, `{"remove": kind}`, `{"read": true}`; it answers each with one, `{"error": …}` where it cannot.
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
"""The line that tells the chaos service that the rules are in, followed by JSON: mechanism, mono."""
SOCKET = "/run/reroute.sock"
"""In the helper container's own tmpfs."""


class Helper:
    """Serves one namespace."""

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or Session()
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._over = asyncio.Event()

    async def run(self, first: Impairment, socket_path: str = SOCKET) -> None:
        """Until SIGTERM or the end of the last impairment. Raises ImpossibleError."""
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
            answer = self.told(json.loads(await reader.readline()))
        except (ImpossibleError, ValueError, CommandError, OSError) as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()
        if not self._session.impairments:
            self._over.set()

    def told(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Do it. Raises ImpossibleError and ValueError."""
        match wish:
            case {"add": body}:
                return self._add(Impairment.from_json(body))
            case {"remove": str(kind)}:
                self._remove(kind)
                return {"left": sorted(self._session.impairments)}
            case {"read": True}:
                return self._session.read()
            case _:
                raise ValueError(f"expected add, remove or read, not {sorted(wish)}")

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
        """Its own end, where nobody asked for it."""
        self._remove(kind)
        if not self._session.impairments:
            self._over.set()


def clear() -> None:
    """Remove whatever a helper left behind that was killed."""
    firewall.clear()
    shaping.clear()


def probe() -> None:
    """Say what this kernel offers, in a namespace of our own."""
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
    """One line for the chaos service."""
    sys.stdout.write(READY + json.dumps(facts) + "\n")
    sys.stdout.flush()
