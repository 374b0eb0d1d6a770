from __future__ import annotations

import socket
from pathlib import Path

import pytest

import chaos.__main__ as service
from chaos import reaper
from chaos.inputs.settings import Settings

MAINS = pytest.mark.parametrize("main", [service.main, reaper.main], ids=["chaos", "reaper"])


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, _, _ in Settings.variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAOS_SUPERVISOR", "http://127.0.0.1:1")
    monkeypatch.setenv("CHAOS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CHAOS_PORT", "0")


@MAINS
def test_help_names_every_variable_with_its_meaning(main: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(main)
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for name, default, meaning in Settings.variables():
        assert meaning, f"{name} says nothing about itself"
        assert all(part in text for part in (name, default, meaning))


@MAINS
def test_an_unknown_argument_is_one_line_and_254(main: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(main)
    assert main(["--bogus"]) == 254
    first, following = capsys.readouterr().err.splitlines()
    assert "--bogus" in first
    assert following.startswith("  next: ")


@MAINS
def test_a_wrong_variable_is_one_line_and_254(
    main: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    monkeypatch.setenv("CHAOS_PORT", "http")
    assert main([]) == 254
    first, following = capsys.readouterr().err.splitlines()
    assert first.endswith("CHAOS_PORT='http': expected a port number, 0 to 65535")
    assert following.startswith("  next: ")


@MAINS
def test_a_state_folder_that_cannot_be_written_is_one_line_and_255(
    main: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    (tmp_path / "file").touch()
    monkeypatch.setenv("CHAOS_STATE_DIR", str(tmp_path / "file" / "state"))
    assert main([]) == 255
    first, following = capsys.readouterr().err.splitlines()
    assert "cannot write to CHAOS_STATE_DIR=" in first
    assert following.startswith("  next: ")


def test_a_port_that_is_taken_is_one_line_and_255_and_no_token_is_made(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("CHAOS_PORT", str(port))
        assert service.main([]) == 255
    first, following = capsys.readouterr().err.splitlines()
    assert first == f"chaos: cannot listen on 127.0.0.1:{port}: address already in use"
    assert following.startswith("  next: ")
    assert not (tmp_path / "state").exists()
    assert "token" not in caplog.text
