"""An engine on a fake runtime, for unit tests: no sockets; `crash` is SIGKILL."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

from chaos import faults
from chaos.engine import engine, guard, healing
from chaos.engine.engine import Engine
from chaos.engine.events import EventLog
from chaos.engine.journal import Journal
from chaos.engine.orders import Order
from chaos.engine.records import FaultRecord
from chaos.faults import bandwidth
from tests.support.chaos_fakes import FakeRuntime


def fast_probes(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime) -> None:
    """Direct probes are answered by the runtime, and a heal gets one try: nothing here gets better by waiting."""
    files = [importlib.import_module(f"chaos.faults.{each.name}") for each in pkgutil.iter_modules(faults.__path__)]
    for module in (engine, guard, healing, *(each for each in files if hasattr(each, "ask"))):
        monkeypatch.setattr(module, "ask", runtime.ask)
    monkeypatch.setattr(bandwidth, "download", runtime.download)
    monkeypatch.setattr(healing, "DEADLINE_S", 0.0)


class World:
    """An engine on a fake runtime; `crash` is SIGKILL: a new engine on the same journal."""

    def __init__(self, directory: Path, runtime: FakeRuntime) -> None:
        self.runtime = runtime
        self.journal = Journal(directory)
        self.api = runtime.backends["api-1"]
        self.crash()

    def crash(self) -> None:
        self.events = EventLog()
        self.engine = Engine(self.runtime, self.journal, self.events, max_duration_s=300)

    def order(self, kind: str = "pause", **fields: Any) -> Order:
        return Order(kind=kind, target="api-1", **({"duration": "60s"} | fields))

    async def inject(self, kind: str = "pause", **fields: Any) -> FaultRecord:
        """The record of an order for one target."""
        return (await self.engine.inject(self.order(kind, **fields))).faults[0]

    def told(self) -> list[str]:
        return [event["type"] for event in self.events.since(0)]

    async def healed(self) -> None:
        async with asyncio.timeout(5):
            async for event in self.events.follow(0):
                if event is not None and event["type"] == "fault_healed":
                    return
