"""Server-sent events: the parser (WHATWG HTML §9.2), and a reader that reconnects where it left off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

_RECONNECT_AFTER_S = 0.2
_SILENCE_S = 15.0
"""Both services send a comment at least every 5 s; three missed ones mean a dead connection."""


class SseParser:
    """Bytes in, data fields out. Comments, ids and event names are skipped: the data repeats what matters."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The data of every message that this chunk completes."""
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
class _Seen:
    """The newest event received. A restarted service counts from 1 again, but its monotonic clock goes on."""

    mono: float = float("-inf")
    seq: int = 0

    def is_news(self, message: dict[str, Any]) -> bool:
        """Whether the event has not come before: a higher number, or a lower one from a later life."""
        mono, seq = float(message["mono"]), int(message["seq"])
        if seq <= self.seq and mono <= self.mono:
            return False
        self.mono, self.seq = max(mono, self.mono), seq
        return True


async def follow(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Every event of `url` that can still be had, each once, then each new one, for ever.

    Reconnects by itself. It then asks for everything again and leaves out what it knows: a service that was restarted
    in between would answer a number from its former life with silence.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=_SILENCE_S)
    seen = _Seen()
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
                        if seen.is_news(message):
                            yield message
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError):
            pass  # gone, silent or garbled: what was missed comes with the next connection
        await asyncio.sleep(_RECONNECT_AFTER_S)
