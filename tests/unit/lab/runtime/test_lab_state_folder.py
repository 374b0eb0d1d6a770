from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.evidence.results import expect_writable
from lab.runtime import state_folder
from lab.runtime.state_folder import HERE, make_private, state_root


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def read_only(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """To root every folder can be written to, so the question is answered for it."""
    real = os.access
    monkeypatch.setattr(
        state_folder.os, "access", lambda path, mode: Path(path).absolute() != here and real(path, mode)
    )
    return here


def test_a_folder_that_can_be_written_to_holds_the_state_itself() -> None:
    assert state_root({}) == HERE


def test_a_read_only_folder_has_its_state_in_the_users_own(read_only: Path, tmp_path: Path) -> None:
    found = state_root({"XDG_STATE_HOME": str(tmp_path / "state")})
    assert found.parent == tmp_path / "state" / "reroute"
    assert found.stat().st_mode & 0o077 == 0
    assert state_root({"XDG_STATE_HOME": str(tmp_path / "state")}) == found, "`lab status` finds what `lab up` started"
    assert state_root({"HOME": str(tmp_path)}).parent == tmp_path / ".local/state/reroute"


def test_without_a_home_it_is_in_the_temporary_folder(
    read_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_folder.tempfile, "gettempdir", lambda: str(tmp_path))
    assert state_root({"XDG_STATE_HOME": "relative", "HOME": "/proc"}).parent == tmp_path / f"reroute-lab-{os.getuid()}"


def test_two_folders_have_different_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
    first = state_root(environment)
    monkeypatch.setattr(state_folder, "_here_is_fit", lambda _: False)
    monkeypatch.chdir(tmp_path)
    assert state_root(environment) != first


def test_a_state_folder_that_somebody_else_made_is_not_used(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / HERE).mkdir()
    monkeypatch.setattr(state_folder, "_owner", lambda folder: 12345 if folder == HERE else os.geteuid())
    assert state_root({"XDG_STATE_HOME": str(tmp_path / "state")}).is_absolute()


def test_a_removed_working_directory_is_no_problem(here: Path, tmp_path: Path) -> None:
    here.rmdir()
    assert state_root({"XDG_STATE_HOME": str(tmp_path / "state")}).is_dir()


def test_what_the_caller_names_is_taken(here: Path) -> None:
    assert state_root({"LAB_STATE_DIR": "mine"}) == here / "mine"


@pytest.mark.parametrize("make", [make_private, expect_writable])
def test_a_folder_that_cannot_be_made_is_a_sentence_with_a_way_out(make: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblemError, match="file") as refused:
        make(tmp_path / "file" / "x")  # type: ignore[operator]  # both take a path
    assert "--" in refused.value.next_step
