from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.runtime.turn import turn


async def test_the_second_lab_waits_until_the_first_has_started(tmp_path: Path) -> None:
    order: list[str] = []

    async def start(name: str) -> None:
        async with turn(tmp_path / "lock", asyncio.Event()):
            order.append(f"{name} chooses")
            await asyncio.sleep(0.1)
            order.append(f"{name} listens")

    await asyncio.gather(start("a"), start("b"))
    assert order in (
        ["a chooses", "a listens", "b chooses", "b listens"],
        ["b chooses", "b listens", "a chooses", "a listens"],
    )


async def test_a_turn_that_does_not_come_is_said(tmp_path: Path) -> None:
    async with turn(tmp_path / "lock", asyncio.Event()):
        with pytest.raises(EnvironmentProblemError, match="another lab has been starting"):
            async with turn(tmp_path / "lock", asyncio.Event(), within_s=0.1):
                pass


async def test_who_is_stopped_does_not_wait_for_a_turn(tmp_path: Path) -> None:
    stop_asked = asyncio.Event()
    async with turn(tmp_path / "lock", asyncio.Event()):
        asyncio.get_running_loop().call_later(0.1, stop_asked.set)
        async with asyncio.timeout(5), turn(tmp_path / "lock", stop_asked):
            pass


async def test_a_lock_that_cannot_be_opened_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblemError, match="cannot be opened"):
        async with turn(tmp_path / "missing" / "lock", asyncio.Event()):
            pass
