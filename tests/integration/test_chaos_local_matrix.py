"""Every fault kind × every ending, on local processes: afterwards all is as before, in time (docs/faults.md).

All kinds of one ending run at the same time, each on a backend of its own behind a relay of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from chaos.drivers.probe import ask
from chaos.drivers.process_targets import process_state
from chaos.faults import FAULTS
from tests.support.chaos_client import ChaosProcess
from tests.support.chaos_matrix import GRACE_S, Ending, sample_params
from tests.support.chaos_supervisor import RELAY_TOKEN, Backend, FakeSupervisor
from tests.support.chaos_waiting import eventually

pytestmark = pytest.mark.timeout(120)

AT_ONCE = 6
STRIKE_ALL_S = 15.0
"""The duration where chaos is struck: all kinds must be in by then, and none over."""
READING_S = 2.0
VERIFIED_WITHIN_S = 2.0
PUNCTUAL_S = 0.2


@dataclass
class Cell:
    """One fault of one kind, on a backend of its own."""

    kind: str
    backend: Backend
    record: dict[str, Any] = field(default_factory=dict)
    struck_mono: float = 0.0
    problems: list[str] = field(default_factory=list)

    def due(self, ending: Ending) -> float:
        """When all must be as before (monotonic seconds)."""
        if ending in (Ending.HEALED, Ending.SIGTERM):
            return self.struck_mono + GRACE_S
        return float(self.record["injected_mono"] + self.record["duration_s"] + GRACE_S)


@pytest.fixture
async def lab() -> AsyncIterator[FakeSupervisor]:
    async with FakeSupervisor(*FAULTS, "spare") as supervisor:
        yield supervisor


@pytest.fixture
async def chaos(lab: FakeSupervisor, tmp_path: Path) -> AsyncIterator[ChaosProcess]:
    async with ChaosProcess(lab, tmp_path) as process:
        yield process


async def snapshot(backend: Backend) -> dict[str, Any]:
    """Everything that a fault could leave behind, read from outside the chaos service."""
    headers = {"Authorization": f"Bearer {RELAY_TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{backend.control}/state") as response:
        relay = await response.json()
    answer = await ask(backend.relay.listener.address, timeout_s=1.0)
    work = await ask(backend.relay.listener.address, "/work", timeout_s=1.0)
    return {
        "process": process_state(backend.pid) in ("R", "S", "D"),
        "relay": relay["faults"],
        "health": (answer.status, answer.took_s < 0.1),
        "work": (work.status, work.took_s < 0.1),
    }


AS_BEFORE = {"process": True, "relay": [], "health": (200, True), "work": (200, True)}


async def strike(cell: Cell, ending: Ending, chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    cell.struck_mono = time.monotonic()
    with contextlib.suppress(ProcessLookupError):
        match ending:
            case Ending.HEALED:
                await chaos.call("DELETE", f"/faults/{cell.record['id']}")
            case Ending.KILLED:
                os.kill(cell.backend.pid, signal.SIGKILL)
            case Ending.PAUSED:
                os.kill(cell.backend.pid, signal.SIGSTOP)
            case Ending.REMOVED:
                await lab.backends.pop(cell.kind).end()


async def inject_all(cells: list[Cell], ending: Ending, chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    turn = asyncio.Semaphore(AT_ONCE)
    duration_s = STRIKE_ALL_S if ending is Ending.SIGKILL else ending.duration_s

    async def one(cell: Cell) -> None:
        async with turn:
            cell.record = await chaos.inject(cell.kind, cell.kind, f"{duration_s:g}s", **sample_params(cell.kind))
            if cell.record["verified_mono"] - cell.record["injected_mono"] > VERIFIED_WITHIN_S:
                cell.problems.append("verified late")
            mechanism = FAULTS[cell.kind].support.on("local")
            if mechanism not in cell.record["mechanism"]:
                cell.problems.append(f"by {cell.record['mechanism']}, not by {mechanism}")
            if cell.record["bit"] is not True:
                cell.problems.append(f"did not bite: {cell.record['evidence']}")
            await strike(cell, ending, chaos, lab)

    await asyncio.gather(*(one(cell) for cell in cells))


async def strike_chaos(ending: Ending, chaos: ChaosProcess, cells: list[Cell]) -> None:
    if ending is Ending.SIGKILL:
        await chaos.kill()
        await chaos.start()  # as the supervisor does
    if ending is Ending.SIGTERM:
        for cell in cells:
            cell.struck_mono = time.monotonic()
        assert await chaos.terminate() == 0


async def judge_state(cells: list[Cell], ending: Ending) -> None:
    for cell in cells:
        left_s = max(0.0, cell.due(ending) - time.monotonic()) + READING_S
        try:
            await eventually(lambda cell=cell: snapshot(cell.backend), lambda seen: seen == AS_BEFORE, left_s)
        except AssertionError as error:
            cell.problems.append(str(error))


async def judge_records(cells: list[Cell], ending: Ending, chaos: ChaosProcess) -> None:
    for cell in cells:
        try:
            record = await chaos.healed(cell.record["id"], max(2.0, cell.due(ending) - time.monotonic()))
        except AssertionError as error:
            cell.problems.append(str(error))
            continue
        if ending is Ending.EXPIRES:
            stayed = record["heal_started_mono"] - record["injected_mono"]
            if record["healed_by"] != "expiry" or record["error"] or abs(stayed - record["duration_s"]) > PUNCTUAL_S:
                cell.problems.append(f"healed by {record['healed_by']} after {stayed:.2f} s: {record['error']}")
        if record["healed_mono"] > cell.due(ending):
            cell.problems.append(f"healed {record['healed_mono'] - cell.due(ending):.1f} s late")


@pytest.mark.parametrize("ending", list(Ending), ids=lambda ending: ending.value.replace(" ", "_"))
async def test_afterwards_all_is_as_before(chaos: ChaosProcess, lab: FakeSupervisor, ending: Ending) -> None:
    _, capabilities = await chaos.call("GET", "/capabilities")
    offered = [kind for kind, each in capabilities["faults"].items() if each["possible"]]
    cells = [Cell(kind, lab.backends[kind]) for kind in offered]
    for backend in (*(cell.backend for cell in cells), lab.backends["spare"]):
        await eventually(lambda backend=backend: snapshot(backend), lambda seen: seen == AS_BEFORE, 20)
    await inject_all(cells, ending, chaos, lab)
    await strike_chaos(ending, chaos, cells)
    if ending is not Ending.SIGTERM:
        await judge_records(cells, ending, chaos)
    if ending is not Ending.REMOVED:  # what is gone has no state
        await judge_state(cells, ending)
    assert not any(cell.problems for cell in cells), "\n".join(
        f"{cell.kind}: {problem}" for cell in cells for problem in cell.problems
    )


async def test_the_snapshot_sees_what_a_fault_does(chaos: ChaosProcess, lab: FakeSupervisor) -> None:
    """Or the tests above would pass with faults left in place."""
    seen = {}
    for kind in ("pause", "delay", "lie"):
        await chaos.inject(kind, kind, "30s", **sample_params(kind))
        now = await snapshot(lab.backends[kind])
        seen[kind] = sorted(key for key, value in AS_BEFORE.items() if now[key] != value)
    assert seen == {"pause": ["health", "process", "work"], "delay": ["health", "relay", "work"], "lie": ["work"]}
