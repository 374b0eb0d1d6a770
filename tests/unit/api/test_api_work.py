from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from api.errors import DeadlinePassedError
from api.work import Burner, Deadline, perform


async def test_work_that_waited_too_long_for_a_processor_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    clocks = SimpleNamespace(time=lambda: now, monotonic=time.monotonic, thread_time=time.thread_time)
    monkeypatch.setattr("api.work.time", clocks)
    burner = Burner(threads=1)
    first = asyncio.create_task(perform(burner, 0.01, 0, Deadline(None)))
    second = asyncio.create_task(perform(burner, 0.01, 0, Deadline(150.0)))
    await asyncio.sleep(0)  # one burns, the other is admitted and queues

    now = 200.0

    assert await first > 0
    with pytest.raises(DeadlinePassedError):
        await second


async def test_a_burn_uses_the_cpu_time_it_was_asked_for() -> None:
    before = time.process_time()

    await perform(Burner(threads=1), 0.1, 0, Deadline(None))

    # At least: other threads of this process may use some too.
    assert time.process_time() - before >= 0.1


async def test_closing_cuts_a_burn_short() -> None:
    burner = Burner(threads=1)
    burn = asyncio.create_task(perform(burner, 3600.0, 0, Deadline(None)))
    await asyncio.sleep(0)

    burner.close()

    assert await asyncio.wait_for(burn, 10) < 10
