from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.docker_socket import socket_is_dead
from chaos.engine.keeper import Keeper, Patience
from chaos.engine.lease import Lease
from chaos.engine.records import State
from chaos.errors import RuntimeUnavailableError
from chaos.inputs.command_line import RuntimeLostError
from chaos.reaper import Reaper, expired
from tests.support.chaos_fakes import FakeRuntime, entry
from tests.support.chaos_world import World


def test_a_crashed_member_is_revived_after_its_time_and_not_before() -> None:
    patience = Patience(revive_after_s=5)
    assert patience.due(["api-1"], (), now=10.0) == []
    assert patience.due(["api-1"], (), now=14.9) == []
    assert patience.due(["api-1"], (), now=15.0) == ["api-1"]


def test_one_that_came_back_by_itself_starts_afresh() -> None:
    patience = Patience(revive_after_s=5)
    patience.due(["api-1"], (), now=10.0)
    patience.due([], (), now=12.0)
    assert patience.due(["api-1"], (), now=16.0) == []


def test_a_fault_of_ours_is_not_a_crash_until_it_has_ended() -> None:
    patience = Patience(revive_after_s=5)
    assert patience.due(["api-1"], {"api-1"}, now=10.0) == []
    assert patience.due(["api-1"], {"api-1"}, now=100.0) == []
    assert patience.due(["api-1"], (), now=100.5) == []
    assert patience.due(["api-1"], (), now=105.5) == ["api-1"]


def test_the_reaper_heals_what_is_owed_and_over() -> None:
    entries = [
        entry("over", expires_unix=99, state=State.ACTIVE),
        entry("half healed", expires_unix=99, state=State.HEALING),
        entry("running", expires_unix=101, state=State.ACTIVE),
        entry("done", expires_unix=99, state=State.HEALED),
    ]
    assert [each.record.id for each in expired(entries, now_unix=100)] == ["over", "half healed"]


@pytest.mark.parametrize(
    ("state", "before", "note", "after"),
    [
        (State.ACTIVE, "the probe was refused", None, "the probe was refused"),
        (State.ACTIVE, "the probe was refused", "the target was removed", "the target was removed"),
        (State.FAILED, "heal failed: no engine", None, None),
    ],
)
async def test_the_reaper_keeps_an_earlier_error_but_that_of_a_failed_heal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    before: str,
    note: str | None,
    after: str | None,
) -> None:
    async def undo(*_: object) -> str | None:
        return note

    monkeypatch.setattr("chaos.engine.healing.undo", undo)
    world = World(tmp_path, FakeRuntime("api-1"))
    owed = entry("over", expires_unix=1, state=state)
    owed.record.error = before
    await Reaper(world.runtime, world.journal, Lease(tmp_path))._heal(owed)
    assert (owed.record.state, owed.record.error) == (State.HEALED, after)


# --- a runtime that this process cannot reach again ---
class Unreachable(FakeRuntime):
    """An engine that does not answer; `looks` counts how often it was asked."""

    def __init__(self, gone: str, looks: int) -> None:
        super().__init__("api-1")
        self.gone, self.looks = gone, looks

    async def crashed(self) -> list[Any]:
        self.looks -= 1
        if self.looks < 0:
            raise asyncio.CancelledError
        raise RuntimeUnavailableError("no engine")


def watchers(runtime: FakeRuntime, directory: Path) -> list[Keeper | Reaper]:
    world = World(directory, runtime)
    lease = Lease(directory)
    return [Keeper(runtime, world.engine, world.events, lease, 5.0), Reaper(runtime, world.journal, lease)]


@pytest.mark.parametrize("which", [0, 1], ids=["keeper", "reaper"])
async def test_who_can_never_reach_the_runtime_again_ends_so_that_a_fresh_one_does(tmp_path: Path, which: int) -> None:
    watcher = watchers(Unreachable("the socket is dead", looks=9), tmp_path)[which]
    with pytest.raises(RuntimeLostError, match="the socket is dead"):
        await watcher.run()


@pytest.mark.parametrize("which", [0, 1], ids=["keeper", "reaper"])
async def test_a_runtime_that_is_merely_away_is_asked_again(
    tmp_path: Path, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Unreachable("", looks=3)
    watcher = watchers(runtime, tmp_path)[which]
    monkeypatch.setattr("chaos.engine.keeper.RENEW_EVERY_S", 0.0)
    monkeypatch.setattr("chaos.reaper.LOOK_EVERY_S", 0.0)
    with pytest.raises(asyncio.CancelledError):
        await watcher.run()
    assert runtime.looks == -1


def test_a_socket_without_a_name_is_dead(tmp_path: Path) -> None:
    """Seen through a descriptor, as a container sees through its mount what the daemon has removed."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        descriptor = os.open(path, os.O_PATH)
        seen = f"unix:///proc/self/fd/{descriptor}"
        try:
            assert not socket_is_dead(seen)
            path.unlink()
            assert socket_is_dead(seen)
        finally:
            os.close(descriptor)
    assert not socket_is_dead(f"unix://{path}"), "its name may come back"
    assert not socket_is_dead("tcp://127.0.0.1:2375")
