"""A data plane without sockets, whose clock the test moves: wires that remember what was written to them."""

from __future__ import annotations

import asyncio
from typing import Any

from lb.core.backend import Backend
from lb.proxy.client import ClientConnection
from lb.proxy.data_plane import DataPlane
from lb.proxy.limits import Limits
from lb.proxy.request_record import RequestRecord
from lb.proxy.ticker import SWEEP_S, perform, sweep
from lb.proxy.upstream import UpstreamConnection
from tests.support.balancing import World


class Wire(asyncio.Transport):
    """One end: what is written to it, whether it is read, whether it was closed."""

    def __init__(self, protocol: Any = None) -> None:
        super().__init__({"peername": ("127.0.0.1", 40000), "sockname": ("127.0.0.1", 8080)})
        self.protocol = protocol
        self.written = b""
        self.unsent = 0
        """What `get_write_buffer_size` says."""
        self.reading = True
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)

    abort = close

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    @property
    def status(self) -> int:
        """Of the first answer on it; 0 without one."""
        return int(self.written[9:12] or 0)


class FakeDataPlane:
    """Backends `api-1` …, and as many clients as connect."""

    def __init__(self, limits: Limits | None = None, backends: int = 1) -> None:
        self.world = World(backends)
        self.records: list[RequestRecord] = []
        self.backend_wires: list[Wire] = []
        """In order of their connecting."""
        self.plane = DataPlane(
            self.world.balancer,
            lambda: self.world.now,
            self._dial,
            limits,
            soon=asyncio.get_running_loop().call_soon,
            on_done=self.records.append,
        )

    async def _dial(self, backend: Backend, plane: DataPlane) -> UpstreamConnection:
        connection = UpstreamConnection(plane, backend)
        wire = Wire(connection)
        connection.connection_made(wire)
        self.backend_wires.append(wire)
        return connection

    def connect(self) -> tuple[ClientConnection, Wire]:
        """A client, and what it sees."""
        client = ClientConnection(self.plane)
        wire = Wire(client)
        client.connection_made(wire)
        return client, wire

    async def turn(self) -> None:
        """Let connections be made and writes leave."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.plane.write_batch.flush()

    async def wait(self, seconds: float) -> None:
        """Time passes, in sweeps."""
        await self.turn()
        until = self.world.now + seconds
        while self.world.now < until:
            self.world.now = min(until, self.world.now + SWEEP_S)
            for action in self.world.balancer.tick(self.world.now):
                perform(self.plane, action)
            sweep(self.plane, self.world.now)
        await self.turn()
