"""Every fault kind × every ending, on containers: afterwards all is as before, in time, and no helper is left.

All kinds of one ending run at the same time, each on a target of its own; an ending that strikes the chaos service
strikes all of them at once. The kinds are those that the service offers here.

Every push runs one ending, a crash of the chaos service; `test_chaos_docker_faults.py` lets each fault expire. The
others run with `--soak`, and on plain processes all seven run on every push.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import docker.errors
import pytest

from chaos.drivers.probe import ask
from chaos.faults import FAULTS
from tests.support.chaos_client import ChaosClient
from tests.support.chaos_docker import DockerLab, build_image, docker_lab, engine
from tests.support.chaos_matrix import GRACE_S, Ending, sample_params
from tests.support.chaos_snapshots import snapshots
from tests.support.chaos_waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(240)]

AT_ONCE = 4
"""Injections under way: a helper's start takes a second of CPU, and a verification may take two seconds at most."""
STRIKE_ALL_S = 20.0
"""The duration where chaos is struck: all kinds must be in by then, and none over."""
READING_S = 4.0
"""For the snapshot itself, and for Docker to remove a helper that has ended."""
SPARE = 99


@dataclass
class Cell:
    """One fault of one kind, on a target of its own."""

    kind: str
    target: Any
    number: int
    record: dict[str, Any] = field(default_factory=dict)
    struck_mono: float = 0.0
    problems: list[str] = field(default_factory=list)

    def due(self, ending: Ending) -> float:
        """When all must be as before (monotonic seconds)."""
        if ending in (Ending.HEALED, Ending.SIGTERM):
            return self.struck_mono + GRACE_S
        return float(self.record["injected_mono"] + self.record["duration_s"] + GRACE_S)


class Matrix:
    """The lab, and one target for each kind."""

    def __init__(self, containers: DockerLab) -> None:
        self.containers = containers
        self.spare = containers.target(SPARE)
        self.chaos = containers.service("chaos", "chaos", ports={"8082/tcp": ("127.0.0.1", None)})
        self.reaper = containers.service("reaper", "chaos.reaper")
        self._targets: dict[str, Any] = {}

    @property
    def url(self) -> str:
        self.chaos.reload()
        ports = self.chaos.ports.get("8082/tcp")
        return f"http://127.0.0.1:{ports[0]['HostPort']}" if ports else ""

    def cells(self, kinds: list[str]) -> list[Cell]:
        """Targets that an earlier ending removed are made again."""
        for kind in kinds:
            if kind not in self._targets or not self._exists(self._targets[kind]):
                self._targets[kind] = self.containers.target(self.number(kind))
        return [Cell(kind, self._targets[kind], self.number(kind)) for kind in kinds]

    @staticmethod
    def number(kind: str) -> int:
        return list(FAULTS).index(kind) + 1

    @staticmethod
    def _exists(container: Any) -> bool:
        try:
            container.reload()
        except docker.errors.NotFound:
            return False
        return True

    def snapshots(self, cells: list[Cell]) -> dict[str, Any]:
        return snapshots(self.containers.client, [cell.target for cell in cells])


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    build_image(engine())
    for containers in docker_lab():
        yield Matrix(containers)


@pytest.fixture
async def chaos(matrix: Matrix) -> AsyncIterator[ChaosClient]:
    async with ChaosClient(matrix.url) as client:
        await client.ready()
        yield client
        await reconnect(client, matrix)
        await client.call("POST", "/reset")


async def reconnect(client: ChaosClient, matrix: Matrix) -> None:
    """A container that was started again publishes another port."""

    async def url() -> str:
        return await asyncio.to_thread(lambda: matrix.url)

    client.url = await eventually(url, bool, 20)
    await client.ready()


def kinds_here(capabilities: dict[str, Any]) -> list[str]:
    """All that the service offers; CHAOS_MATRIX_KINDS (comma-separated) picks some, while working on one."""
    offered = [kind for kind, each in capabilities["faults"].items() if each["possible"]]
    picked = os.environ.get("CHAOS_MATRIX_KINDS")
    return [kind for kind in offered if picked is None or kind in picked.split(",")]


async def healthy(matrix: Matrix, cells: list[Cell]) -> None:
    for target in [matrix.spare, *(cell.target for cell in cells)]:
        await eventually(
            lambda target=target: ask(matrix.containers.address(target), timeout_s=1.0), lambda a: a.ok, 30
        )


# --- the endings ---
async def strike(cell: Cell, ending: Ending, chaos: ChaosClient) -> None:
    """What happens to one target or its fault; a dead container cannot be frozen, which is fine."""
    cell.struck_mono = time.monotonic()
    with contextlib.suppress(docker.errors.APIError):
        match ending:
            case Ending.HEALED:
                await chaos.call("DELETE", f"/faults/{cell.record['id']}")
            case Ending.KILLED:
                await asyncio.to_thread(cell.target.kill)
            case Ending.PAUSED:
                await asyncio.to_thread(cell.target.pause)
            case Ending.REMOVED:
                await asyncio.to_thread(cell.target.remove, force=True)


async def strike_chaos(ending: Ending, matrix: Matrix, chaos: ChaosClient, cells: list[Cell]) -> None:
    if ending is Ending.SIGKILL:
        matrix.chaos.kill()
        await reconnect(chaos, matrix)  # the reaper starts it
    if ending is Ending.SIGTERM:
        struck = time.monotonic()
        code = await asyncio.to_thread(lambda: (matrix.chaos.stop(timeout=30), matrix.chaos.wait())[1]["StatusCode"])
        assert code == 0
        for cell in cells:
            cell.struck_mono = struck


async def inject_all(cells: list[Cell], ending: Ending, chaos: ChaosClient) -> None:
    turn = asyncio.Semaphore(AT_ONCE)
    duration_s = STRIKE_ALL_S if ending is Ending.SIGKILL else ending.duration_s

    async def one(cell: Cell) -> None:
        async with turn:
            target = f"api-{cell.number}"
            cell.record = await chaos.inject(cell.kind, target, f"{duration_s:g}s", **sample_params(cell.kind))
            if "no verdict" in (cell.record["evidence"] or ""):  # too slow a host to prove it in time: once more
                await chaos.call("DELETE", f"/faults/{cell.record['id']}")
                await chaos.healed(cell.record["id"], 10.0)
                cell.record = await chaos.inject(cell.kind, target, f"{duration_s:g}s", **sample_params(cell.kind))
            if cell.record["bit"] is False:
                cell.problems.append(f"did not bite: {cell.record['evidence']}")
            await strike(cell, ending, chaos)

    await asyncio.gather(*(one(cell) for cell in cells))


# --- what must hold afterwards ---
async def judge_records(cells: list[Cell], ending: Ending, chaos: ChaosClient) -> None:
    for cell in cells:
        left_s = cell.due(ending) - time.monotonic()
        try:
            record = await chaos.healed(cell.record["id"], max(2.0, left_s))
        except AssertionError as error:
            cell.problems.append(str(error))
            continue
        if record["healed_mono"] > cell.due(ending):
            cell.problems.append(f"healed {record['healed_mono'] - cell.due(ending):.1f} s late")


async def judge_state(matrix: Matrix, cells: list[Cell], before: dict[str, Any]) -> None:
    due = time.monotonic() + READING_S
    while True:
        after = await asyncio.to_thread(matrix.snapshots, cells)
        if after == before or time.monotonic() > due:
            break
    for cell in cells:
        for key in (cell.target.id, f"helpers of {cell.target.id}"):
            if after.get(key) != before.get(key):
                cell.problems.append(f"before: {before.get(key)}\n    after: {after.get(key)}")


ENDINGS = [
    pytest.param(
        ending,
        marks=() if ending is Ending.SIGKILL else pytest.mark.long,
        id=ending.value.replace(" ", "_"),
    )
    for ending in Ending
]


@pytest.mark.parametrize("ending", ENDINGS)
async def test_afterwards_all_is_as_before(matrix: Matrix, chaos: ChaosClient, ending: Ending) -> None:
    _, capabilities = await chaos.call("GET", "/capabilities")
    cells = matrix.cells(kinds_here(capabilities))
    await healthy(matrix, cells)
    before = await asyncio.to_thread(matrix.snapshots, cells)
    await inject_all(cells, ending, chaos)
    await strike_chaos(ending, matrix, chaos, cells)
    if ending is Ending.SIGTERM:
        await judge_state(matrix, cells, before)  # with nobody there to improve on it
        matrix.chaos.start()
        await reconnect(chaos, matrix)
    await judge_records(cells, ending, chaos)
    if ending is Ending.REMOVED:
        before = dict.fromkeys(before) | {f"helpers of {key}": 0 for key in before}
    await judge_state(matrix, cells, before)
    assert not any(cell.problems for cell in cells), "\n".join(
        f"{cell.kind}: {problem}" for cell in cells for problem in cell.problems
    )


async def test_the_snapshot_sees_what_a_fault_does(matrix: Matrix, chaos: ChaosClient) -> None:
    """Or the tests above would pass with faults left in place."""
    cells = matrix.cells(["pause", "blackhole", "delay"])
    await healthy(matrix, cells)
    before = await asyncio.to_thread(matrix.snapshots, cells)
    await inject_all(cells, Ending.SIGKILL, chaos)
    during = await asyncio.to_thread(matrix.snapshots, cells)
    changed = {
        cell.kind: sorted(key for key, value in before[cell.target.id].items() if during[cell.target.id][key] != value)
        for cell in cells
    }
    assert changed == {"pause": ["status"], "blackhole": ["helpers", "rules"], "delay": ["helpers", "rules"]}
