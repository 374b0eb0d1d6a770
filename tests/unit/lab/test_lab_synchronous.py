from __future__ import annotations

import asyncio
import threading

import pytest

from lab.testing.synchronous import Runner, run


async def loop_and_thread() -> tuple[asyncio.AbstractEventLoop, int]:
    return asyncio.get_running_loop(), threading.get_ident()


async def failing() -> None:
    raise LookupError("as it was")


def test_without_a_loop_all_stays_in_this_thread() -> None:
    assert run(loop_and_thread())[1] == threading.get_ident()
    with pytest.raises(LookupError, match="as it was"):
        run(failing())


async def test_inside_an_async_test_a_call_returns_what_it_would_elsewhere() -> None:
    loop, thread = run(loop_and_thread())
    assert loop is not asyncio.get_running_loop()
    assert thread != threading.get_ident()
    with pytest.raises(LookupError, match="as it was"):
        run(failing())


async def test_calls_of_one_runner_share_a_loop_and_leave_no_thread() -> None:
    before = threading.active_count()
    with Runner() as runner:
        assert runner.run(loop_and_thread()) == runner.run(loop_and_thread())
    assert threading.active_count() == before
