"""A program of somebody else under the launcher, and a process in a network of its own, on the real kernel."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from lab.processes.isolation.launcher import BACKGROUND, launched
from lab.processes.launch import ROOT
from tests.support.lab_processes import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def shell(script: str, folder: Path | None) -> subprocess.CompletedProcess[str]:
    return run(launched(("sh", "-c", script), folder))


def confined(tmp_path: Path) -> bool:
    return "its own namespaces" not in shell("true", tmp_path).stderr


def test_it_writes_into_its_folder_and_nowhere_else(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    if not confined(folder):
        pytest.skip("this host gives no namespaces")
    done = shell(f"echo a > {folder}/in; echo b > {outside}; cat {outside}; exit 3", folder)
    assert done.returncode == 3
    assert (folder / "in").read_text() == "a\n"
    assert not outside.exists()


def test_what_it_leaves_in_the_background_is_ended_and_told(tmp_path: Path) -> None:
    done = shell("setsid sleep 600 & readlink /proc/self/ns/pid; exit 0", None)
    assert done.returncode == BACKGROUND
    assert "went into the background" in done.stderr


def test_its_exit_code_and_signal_are_passed_on(tmp_path: Path) -> None:
    assert shell("exit 7", None).returncode == 7
    assert shell("kill -9 $$", None).returncode == 128 + 9
    assert run(launched(("/no/such/program",), None)).returncode == 127


def test_everything_ends_with_the_launcher_even_if_that_is_killed(tmp_path: Path) -> None:
    # The inner shell writes its number as the host sees it: /proc is that of the host.
    script = "read -r pid rest < /proc/self/stat; echo $pid; exec sleep 600"
    with subprocess.Popen(launched(("sh", "-c", script), None), stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        program = int(launcher.stdout.readline())
        assert alive(program)
        launcher.kill()
    until = time.monotonic() + 10
    while alive(program):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_network_of_ones_own_has_loopback_and_nothing_else() -> None:
    code = """
from lab.processes.isolation.network import enter_own_network
problem = enter_own_network()
if problem:
    sys.exit(f"refused: {problem}")
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
try:
    socket.create_connection(("192.0.2.1", 9), timeout=5)
except OSError as error:
    print(error.errno == __import__("errno").ENETUNREACH)
"""
    done = run((sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"))
    if "refused" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout == "True\n", done.stderr
