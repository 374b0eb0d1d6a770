"""Server-sent events: the parser (WHATWG HTML §9.2), and a reader that reconnects where it left off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
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


async def follow(
    session: aiohttp.ClientSession, url: str, since: int, headers: dict[str, str] | None = None
) -> AsyncIterator[dict[str, Any]]:
    """Every event of `url` after `since`, for ever: reconnects, and asks for what it missed."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0, sock_read=_SILENCE_S)
    while True:
        try:
            async with session.get(url, params={"since": str(since)}, headers=headers, timeout=timeout) as response:
                response.raise_for_status()
                parser = SseParser()
                async for chunk in response.content.iter_any():
                    for text in parser.feed(chunk):
                        message = json.loads(text)
                        since = max(since, int(message.get("seq", since)))
                        yield message
        except (aiohttp.ClientError, TimeoutError, ValueError):
            pass  # gone, silent or garbled: the next connection asks for everything since the last good one
        await asyncio.sleep(_RECONNECT_AFTER_S)
