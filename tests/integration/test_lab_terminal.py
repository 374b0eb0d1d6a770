"""The command line under terminals, pipes and disks that are not as one would like."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli import app
from lab.output.terminal import OUTPUT_CLOSED

SCENARIO = "version: 1\ntitle: Größe – ≤ 1 ✓ 你\nload: {rate: 1/s, mix: [{request: GET /a, share: 100%}]}\nsteps: []\n"


def lab(*arguments: str, cwd: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **more.pop("env", {})}  # type: ignore[dict-item]  # one keyword of many
    return subprocess.run(  # type: ignore[call-overload,no-any-return]  # keywords of its own
        [sys.executable, "-m", "reroute_lab.lab", *arguments],
        cwd=cwd, env=environment, stderr=subprocess.PIPE, timeout=60, check=False,
        **{"stdout": subprocess.PIPE, **more},
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8", "cp437", "utf-16"])
def test_any_encoding_keeps_the_exit_code(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO, encoding="utf-8")
    done = lab("validate", "own.yaml", cwd=tmp_path, env={"PYTHONIOENCODING": encoding})
    shown = done.stdout.decode(encoding)
    assert b"Error" not in done.stderr
    assert "own.yaml" in shown
    helped = lab("run", "--help", cwd=tmp_path, env={"PYTHONIOENCODING": encoding})
    assert (helped.returncode, helped.stderr) == (0, b"")


def test_an_output_that_nobody_reads_ends_quietly_with_a_code_of_its_own(tmp_path: Path) -> None:
    for arguments in (("plan", "kill", "--json"), ("doctor",), ("--help",), ("schema",)):
        read, write = os.pipe()
        os.close(read)
        done = lab(*arguments, cwd=tmp_path, stdout=write)
        os.close(write)
        assert (done.returncode, done.stderr) == (OUTPUT_CLOSED, b""), arguments


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_is_full_is_a_sentence(tmp_path: Path) -> None:
    for arguments in (("plan", "kill", "--json"), ("doctor",), ("--help",)):
        with Path("/dev/full").open("wb") as full:
            done = lab(*arguments, cwd=tmp_path, stdout=full)
        assert done.returncode == 255, arguments
        assert b"disk is full" in done.stderr
        assert b"internal error" not in done.stderr
        assert b"Traceback" not in done.stderr


def test_a_state_folder_on_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    def one_kilobyte() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    # Python writes compiled modules too, cuts them at the limit without a word, and never runs again.
    none = {"PYTHONDONTWRITEBYTECODE": "1", "LAB_PASS_ENV": "PYTHONDONTWRITEBYTECODE"}
    done = lab("run", "kill", "--state-dir", "state", cwd=tmp_path, env=none, preexec_fn=one_kilobyte)
    assert done.returncode == 255
    assert b"internal error" not in done.stderr + (done.stdout or b"")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["run", "kill", "--state-dir", "d"], (["--state-dir", "d"], ["run", "kill"])),
        (["--state-dir=d", "run"], (["--state-dir=d"], ["run"])),
        (["run", "--", "--state-dir", "d"], ([], ["run", "--", "--state-dir", "d"])),
        (["run", "--state-dir"], (["--state-dir"], ["run"])),
    ],
)
def test_the_state_folder_may_be_named_anywhere(given: list[str], read: tuple[list[str], list[str]]) -> None:
    assert app._global_options_first(given) == read
