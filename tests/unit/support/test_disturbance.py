"""A busy host excuses a test once, and only a repetition that passes counts: no bug hides behind it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.disturbance import Disturbance

ROOT = Path(__file__).parents[3]
CONFTEST = """
from contextlib import contextmanager
from types import SimpleNamespace
from tests.support.disturbance import Disturbance, Plugin

@contextmanager
def watch():
    yield SimpleNamespace(so_far=lambda: Disturbance(pressure={pressure}))

def pytest_configure(config):
    config.pluginmanager.register(Plugin(watch, lambda: None, lambda item: "clocked" in item.path.name))
"""
FAILS_ONCE = """
import pytest
tries = []

@pytest.fixture(scope="module")
def lab():
    tries.append("lab")
    return len(tries)

def test_fails_once(lab):
    assert lab > 1
"""
FAILS_ALWAYS = "def test_fails(): assert False\n"
PASSES = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_passes(n): pass\n"


def run(folder: Path, pressure: float, *arguments: str, **files: str) -> tuple[int, str]:
    """The exit code and the output of a run of these test files on a host under such pressure."""
    (folder / "conftest.py").write_text(CONFTEST.format(pressure=pressure))
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    # A basetemp of its own: the common one is cleaned by every run of pytest, with a warning where two do so at once.
    own = ("--rootdir", str(folder), "--basetemp", str(folder / "tmp"))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *own, *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "arguments",
    [(), ("-p", "pytest_timeout", "--timeout", "30")],
    ids=["one process", "time-out"],
)
def test_what_fails_once_on_a_busy_host_is_inconclusive_and_repeated(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    code, out = run(tmp_path, 0.9, *arguments, test_clocked=FAILS_ONCE)
    assert code == 0, out
    assert "1 passed, 1 inconclusive" in out
    assert "test_fails_once (call): late 0 ms, CPU pressure 90%, steal 0%" in out
    assert "1 inconclusive, all passed when repeated" in out


def test_several_processes_leave_the_repetition_to_one_when_all_have_ended(tmp_path: Path) -> None:
    repeated = "import os\ndef test_fails_once(): assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
    code, out = run(
        tmp_path, 0.9, "-p", "xdist", "-n", "2", test_clocked=repeated, test_clocked_2=PASSES.format(count=3)
    )
    assert code == 0, out
    assert "3 passed, 1 inconclusive" in out
    assert "1 inconclusive, repeated one at a time" in out
    assert "1 inconclusive, all passed when repeated" in out


def test_a_bug_fails_whatever_the_host_does_in_several_processes_too(tmp_path: Path) -> None:
    code, out = run(tmp_path, 0.9, "-p", "xdist", "-n", "2", test_clocked=FAILS_ALWAYS)
    assert code == 1
    assert "1 inconclusive, 1 failed when repeated" in out
    assert "FAILED test_clocked.py::test_fails" in out


def test_a_fixture_that_a_busy_host_spoiled_serves_no_other_test(tmp_path: Path) -> None:
    other = FAILS_ONCE + "def test_of_the_same_fixture(lab): assert lab > 1\n"
    _, out = run(tmp_path, 0.9, "-p", "xdist", "-n", "1", test_clocked=other)
    assert "1 passed, 1 inconclusive" in out


def test_a_bug_fails_whatever_the_host_does(tmp_path: Path) -> None:
    code, out = run(tmp_path, 0.9, test_clocked=FAILS_ALWAYS)
    assert code == 1
    assert "1 failed, 1 inconclusive" in out
    assert "1 inconclusive, 1 failed when repeated" in out


def test_a_failure_whose_own_record_tells_of_a_busy_host_is_inconclusive(tmp_path: Path) -> None:
    told = "from tests.support.disturbance import HostWasBusyError\n" + FAILS_ONCE.replace(
        "    assert lab > 1", "    if lab == 1: raise HostWasBusyError('the run stalled')"
    )
    code, out = run(tmp_path, 0.1, test_clocked=told)
    assert code == 0, out
    assert "1 passed, 1 inconclusive" in out


def test_on_a_quiet_host_nothing_is_excused(tmp_path: Path) -> None:
    code, out = run(tmp_path, 0.1, test_clocked=FAILS_ONCE)
    assert code == 1
    assert "1 failed in" in out


def test_what_depends_on_no_clock_is_never_excused(tmp_path: Path) -> None:
    code, out = run(tmp_path, 0.9, test_pure=FAILS_ONCE)
    assert code == 1
    assert "1 failed in" in out


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "xdist"])
@pytest.mark.parametrize(("passing", "code"), [(10, 1), (298, 0)])
def test_more_than_two_in_three_hundred_fail_one_of_three_parts(
    tmp_path: Path, passing: int, code: int, arguments: tuple[str, ...]
) -> None:
    fails = (
        "import os\ndef test_fails_here(): assert 'REROUTE_TEST_REPETITION' in os.environ\n"
        if arguments
        else FAILS_ONCE
    )
    twice = {f"test_clocked_{number}": fails for number in (1, 2)}
    found, out = run(tmp_path, 0.9, *arguments, test_clocked_3=PASSES.format(count=passing), **twice)
    assert found == code, out
    assert "2 inconclusive" in out
    assert ("2 inconclusive, not repeated" in out) == (code == 1 and bool(arguments))
    assert ("the run fails" in out) == (code == 1)


@pytest.mark.parametrize("found", [Disturbance(late_s=0.2), Disturbance(pressure=0.7), Disturbance(steal=0.2)])
def test_each_measurement_alone_explains_a_failure(found: Disturbance) -> None:
    assert found.explains_a_failure()
    assert not Disturbance(0.05, 0.4, 0.05).explains_a_failure()
