"""Runs the lab's coroutines for a synchronous caller, also from inside an `async def` test."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Runner:
    """An `asyncio.Runner`, in a thread of its own if an event loop is running in this one.

    That event loop is blocked during a call, because the call is synchronous.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._thread: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        if _inside_a_loop():
            self._thread = self._stack.enter_context(ThreadPoolExecutor(1, "lab"))
            self._stack.callback(lambda thread: thread.submit(self._runner.close).result(), self._thread)
        else:
            self._stack.callback(self._runner.close)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run the coroutine; return its result or raise its exception. An interruption cancels it first."""
        if self._thread is None:
            return self._runner.run(coroutine)
        task: list[asyncio.Task[T]] = []
        future = self._thread.submit(self._runner.run, _noted(coroutine, task))
        try:
            return future.result()
        except BaseException:
            if task and not future.done():
                task[0].get_loop().call_soon_threadsafe(task[0].cancel)
            raise


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine and return its result, as `asyncio.run` does."""
    with Runner() as runner:
        return runner.run(coroutine)


async def _noted(coroutine: Coroutine[Any, Any, T], task: list[asyncio.Task[T]]) -> T:
    current = asyncio.current_task()
    assert current is not None, "a runner runs tasks"
    task.append(current)
    return await coroutine


def _inside_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
