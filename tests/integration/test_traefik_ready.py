"""Traefik listens, and answers 404, before it has read its files. A slow start is not taken for a wrong path."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing
from lab.balancers.selection import Choice
from lab.errors import EnvironmentProblemError
from lab.processes.readiness import NO_AFTER_S
from lab.runtime.local_lab import LocalRuntime
from tests.support.own_edits import CORPUS

SLOW = '''#!{python}
"""Runs Traefik, which gets its dynamic file `slow_s` after it has begun to answer 404, frozen meanwhile if wanted."""
import os, re, signal, subprocess, sys, time, urllib.error, urllib.request
from pathlib import Path

static = Path(sys.argv[1].partition("=")[2])
dynamic = static.with_name("app.yml")
text = dynamic.read_text()
dynamic.unlink()
os.mkfifo(dynamic)
child = subprocess.Popen(["{traefik}", *sys.argv[1:]])
listen = re.search(r"127[.]0[.]0[.]1:[0-9]+", static.read_text())[0]
status = 0
while status != 404:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open("http://" + listen, timeout=1)
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        time.sleep(0.01)
if {frozen}:
    child.send_signal(signal.SIGSTOP)
time.sleep({slow_s})
child.send_signal(signal.SIGCONT)
dynamic.write_text(text)
sys.exit(child.wait())
'''
CHOICE = Choice(
    "slow",
    adapter="traefik",
    files=tuple(str(CORPUS / "traefik/host" / name) for name in ("traefik.yml", "app.yml")),
    listener="app",
    pool="app",
    backends=3,
    host="app.example.test",
)


@pytest.fixture
def slow_traefik(tmp_path: Path, request: pytest.FixtureRequest) -> Choice:
    """Traefik that reads its dynamic file later than the lab waits for a 4xx to change."""
    installed = ADAPTERS["traefik"].find()
    if isinstance(installed, Missing):
        pytest.skip(f"traefik is not installed: {installed.install}")
    program = tmp_path / "slow-traefik"
    values = {"python": sys.executable, "traefik": installed.argv[0], "slow_s": NO_AFTER_S + 1}
    program.write_text(SLOW.format(**values, frozen=request.param))
    program.chmod(0o755)
    return replace(CHOICE, binary=str(program))


@pytest.mark.parametrize("slow_traefik", [False, True], indirect=True, ids=["loads-late", "frozen"])
def test_a_slow_start_is_waited_for(slow_traefik: Choice, tmp_path: Path) -> None:
    began = time.monotonic()
    with LocalRuntime(tmp_path / "lab", 3, other=slow_traefik).borrow(lambda _: None):
        assert time.monotonic() - began > NO_AFTER_S


def test_a_wrong_path_is_told_without_waiting_for_the_deadline(tmp_path: Path) -> None:
    if isinstance(installed := ADAPTERS["traefik"].find(), Missing):
        pytest.skip(f"traefik is not installed: {installed.install}")
    began = time.monotonic()
    wrong = replace(CHOICE, host="other.example.test")
    with (
        pytest.raises(EnvironmentProblemError, match="status 404"),
        LocalRuntime(tmp_path / "lab", 3, other=wrong).borrow(lambda _: None),
    ):
        pass
    assert time.monotonic() - began < 20.0


def test_files_that_traefik_cannot_read_end_the_wait(tmp_path: Path) -> None:
    if isinstance(installed := ADAPTERS["traefik"].find(), Missing):
        pytest.skip(f"traefik is not installed: {installed.install}")
    dynamic = tmp_path / "app.yml"
    text = (CORPUS / "traefik/host/app.yml").read_text()
    dynamic.write_text(text.replace("healthCheck: {", "healthChecks: {"))
    broken = replace(CHOICE, files=(CHOICE.files[0], str(dynamic)))
    with (
        pytest.raises(EnvironmentProblemError, match="not read all its files") as caught,
        LocalRuntime(tmp_path / "lab", 3, other=broken).borrow(lambda _: None),
    ):
        pass
    assert any("healthChecks" in line for line in caught.value.details)
