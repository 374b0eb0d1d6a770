from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from lab.runtime import local_lab
from lab.runtime.supervisor_handshake import Ready


class FakeChild:
    """A supervisor that is ready at once."""

    def __init__(self, state_dir: Path, backends: int, balancer_command: tuple[str, ...], other: object) -> None:
        self.state_dir = state_dir

    def __enter__(self) -> FakeChild:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_ready(self, say: object) -> Ready:
        return Ready("http://t", "http://a", "http://c", "token", "http://s", "token", 1)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> local_lab.LocalRuntime:
    monkeypatch.setattr(local_lab, "_Child", FakeChild)
    return local_lab.LocalRuntime(tmp_path)


def folders(root: Path, count: int) -> list[Path]:
    """Oldest first."""
    made = [root / f"run-{number}" for number in range(count)]
    for age, folder in enumerate(reversed(made)):
        folder.mkdir()
        os.utime(folder, (1_000_000 - age, 1_000_000 - age))
    return made


def test_an_interrupted_run_leaves_no_folder(place: local_lab.LocalRuntime) -> None:
    with pytest.raises(KeyboardInterrupt), place.borrow(print):
        raise KeyboardInterrupt
    assert list(place.root.glob("run-*")) == []


def test_a_failed_run_leaves_its_folder(place: local_lab.LocalRuntime) -> None:
    with contextlib.suppress(RuntimeError), place.borrow(print):
        raise RuntimeError
    assert len(list(place.root.glob("run-*"))) == 1


def test_only_the_newest_folders_stay(place: local_lab.LocalRuntime) -> None:
    made = folders(place.root, 8)
    with place.borrow(print):
        pass
    assert sorted(place.root.glob("run-*")) == made[3:]


def test_the_folder_of_a_running_lab_stays_however_old(tmp_path: Path) -> None:
    made = folders(tmp_path, 8)
    with local_lab._in_use(made[0]):
        local_lab.prune(tmp_path, 5)
    assert sorted(tmp_path.glob("run-*")) == [made[0], *made[3:]]
