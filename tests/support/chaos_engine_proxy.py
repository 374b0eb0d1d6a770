"""A door to the Docker engine that can be shut: for the chaos service, the engine is restarted then."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

ENGINE = "/var/run/docker.sock"


class EngineProxy:
    """Listens on `path` and passes everything on. `close` cuts what is open, as a daemon that ends does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._pass_on, str(self.path))

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self.path.unlink(missing_ok=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(ENGINE)
        self._writers |= {writer, engine_writer}
        await asyncio.gather(_pump(reader, engine_writer), _pump(engine_reader, writer))
        self._writers -= {writer, engine_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
