from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lb.proxy.write_batch import WriteBatch


class Loop:
    """Turns when it is told to."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.soon.append(callback)

    def turn(self) -> None:
        callbacks, self.soon = self.soon, []
        for callback in callbacks:
            callback()


class Wire(asyncio.Transport):
    def __init__(self, sent: list[tuple[str, bytes]], name: str, then: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.closing = False
        self._sent = sent
        self._name = name
        self._then = then

    def write(self, data: Any) -> None:
        self._sent.append((self._name, data))
        if self._then is not None:
            self._then()

    def is_closing(self) -> bool:
        return self.closing


def test_writes_wait_for_the_next_turn_and_keep_their_order() -> None:
    loop, sent = Loop(), []
    write_batch, a, b = WriteBatch(loop.call_soon), Wire(sent, "a"), Wire(sent, "b")
    write_batch.put(a, b"1")
    write_batch.put(b, b"2")
    write_batch.put(a, b"3")
    assert sent == []
    assert len(loop.soon) == 1
    loop.turn()
    assert sent == [("a", b"1"), ("b", b"2"), ("a", b"3")]


def test_each_turn_is_asked_for_anew() -> None:
    loop, sent = Loop(), []
    write_batch, wire = WriteBatch(loop.call_soon), Wire(sent, "a")
    for data in (b"1", b"2"):
        write_batch.put(wire, data)
        loop.turn()
    assert sent == [("a", b"1"), ("a", b"2")]


def test_who_cannot_wait_flushes_and_nothing_is_written_twice() -> None:
    loop, sent = Loop(), []
    write_batch, wire = WriteBatch(loop.call_soon), Wire(sent, "a")
    write_batch.put(wire, b"1")
    write_batch.flush()
    assert sent == [("a", b"1")]
    write_batch.put(wire, b"2")  # the turn that was asked for is still to come
    assert len(loop.soon) == 1
    loop.turn()
    assert sent == [("a", b"1"), ("a", b"2")]


def test_large_segments_do_not_pile_up() -> None:
    loop, sent = Loop(), []
    write_batch, wire = WriteBatch(loop.call_soon), Wire(sent, "a")
    waiting = 0
    for _ in range(100):
        write_batch.put(wire, b"x" * 64_000)
        waiting = max(waiting, sum(len(data) for _, data in write_batch._waiting))
    assert waiting <= 256 * 1024
    loop.turn()
    assert sum(len(data) for _, data in sent) == 100 * 64_000


def test_an_aborted_connection_loses_what_waits_and_only_that() -> None:
    loop, sent = Loop(), []
    write_batch, gone, here = WriteBatch(loop.call_soon), Wire(sent, "gone"), Wire(sent, "here")
    write_batch.put(gone, b"1")
    write_batch.put(here, b"2")
    gone.closing = True
    loop.turn()
    assert sent == [("here", b"2")]


def test_what_a_write_brings_about_does_not_overtake() -> None:
    """A transport may call `resume_writing` from inside `write`; that writes again, or closes, which flushes."""
    loop, sent = Loop(), []
    write_batch = WriteBatch(loop.call_soon)
    other = Wire(sent, "other")

    def resumed() -> None:
        write_batch.put(other, b"x" * 300_000)
        write_batch.flush()
        assert len(sent) == 3

    write_batch.put(Wire(sent, "a", then=resumed), b"1")
    write_batch.put(other, b"2")
    loop.turn()
    assert sent == [("a", b"1"), ("other", b"2"), ("other", b"x" * 300_000)]
