"""Server-sent events: a parser (WHATWG HTML §9.2) and a reader that reconnects without losing or repeating events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

_RECONNECT_AFTER_S = 0.2
_SILENCE_S = 15.0
"""Seconds. Both services send a comment at least every 5 s; a connection without three of them is dead."""


class SseParser:
    """Incremental parser that returns only the data fields, because the data repeats the others."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """Return the data of every message that this chunk completes."""
        *lines, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        messages = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))
            elif not line and self._data:
                messages.append("\n".join(self._data))
                self._data = []
        return messages


@dataclass(slots=True)
class _LastSeen:
    """The newest event received. A restarted service numbers from 1 again, but its monotonic clock continues."""

    mono: float = float("-inf")
    seq: int = 0

    def is_new(self, message: dict[str, Any]) -> bool:
        """Return whether this event was not received before: its number is higher, or lower after a restart."""
        mono, seq = float(message["mono"]), int(message["seq"])
        if seq <= self.seq and mono <= self.mono:
            return False
        self.mono, self.seq = max(mono, self.mono), seq
        return True


async def follow(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Yield every event that `url` still has, then each new event, without end and each only once.

    After a lost connection, request all events again and skip those already received. Requesting only higher numbers
    would lose events of a service that was restarted meanwhile, because it numbers from 1 again.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=_SILENCE_S)
    last_seen = _LastSeen()
    while True:
        try:
            async with session.get(
                url, params={"since": "0"}, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                response.raise_for_status()
                parser = SseParser()
                async for chunk in response.content.iter_any():
                    for text in parser.feed(chunk):
                        message = json.loads(text)
                        if last_seen.is_new(message):
                            yield message
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            pass  # closed, silent or malformed: the next connection delivers what was missed
        await asyncio.sleep(_RECONNECT_AFTER_S)
