"""The lab as processes on loopback, without Docker and without root. Their parent is `lab.runtime.supervisor`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from ..balancers import adapter
from ..balancers.operating import Operated
from ..balancers.selection import Choice, Wanted, spec_of
from ..errors import EnvironmentProblemError
from ..output.terminal import OutputClosedError
from ..processes.child_environment import UMASK, child_environment
from ..processes.direct_http import direct_opener
from ..processes.launch import words
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from . import Member, Say
from .local_control import LocalRuntimeControl
from .local_operations import LocalOperations
from .state_folder import make_private
from .supervisor_handshake import DETACH, Failed, Notice, Ready, decode
from .topology import BALANCER_FOLDER, OUR_BALANCER

STOP_WITHIN_S: Final = 10.0
"""Seconds. The supervisor gives its processes 3 s before SIGKILL; after three times as long it must be stuck."""
DEFAULT_BACKENDS: Final = 3
SUPERVISOR = "lab.runtime.supervisor"
KEPT_RUNS: Final = 5
"""Number of folders of failed runs to keep (the newest), because their logs contain the reason."""


@dataclass(slots=True)
class LocalRuntime:
    """Local labs whose files are below `root` (`lab.runtime.state_folder`)."""

    root: Path
    backends: int = DEFAULT_BACKENDS
    name: str = "local"
    balancer_command: tuple[str, ...] = OUR_BALANCER
    """Command that starts the balancer of a new lab. A lab that already runs keeps its balancer."""
    other: Choice | None = None
    """Another balancer to use instead, which lacks our admin API (`lab compare`)."""

    @property
    def state_dir(self) -> Path:
        """Folder of the background lab. Each working directory has at most one background lab."""
        return self.root / "local"

    def find(self) -> Endpoints | None:
        """Return the background lab if its supervisor answers, or None. A stale state file is ignored."""
        ready = self._state()
        return _endpoints(ready) if ready and _ask(ready, "GET", "/processes") is not None else None

    def up(self, say: Say) -> Endpoints:
        """Start a lab in the background, or return the one that runs."""
        if (running := self.find()) is not None:
            return running
        self._tell_where(say)
        shutil.rmtree(self.state_dir, ignore_errors=True)
        with _Child(self.state_dir, self.backends, self.balancer_command, self.other) as child:
            ready = child.wait_ready(say)
            child.detach()
        return _endpoints(ready)

    @contextlib.contextmanager
    def borrow(self, say: Say) -> Iterator[Endpoints]:
        """Yield the background lab, or a new one whose folder is kept only if the context fails, for its logs.

        An interruption does not count as a failure, nor does a closed output.
        """
        if (running := self.find()) is not None:
            yield running
            return
        self._tell_where(say)
        prune(self.root, KEPT_RUNS)
        state_dir = Path(tempfile.mkdtemp(prefix="run-", dir=self.root))
        with _in_use(state_dir):
            try:
                with _Child(state_dir, self.backends, self.balancer_command, self.other) as child:
                    ready = child.wait_ready(say)
                    yield replace(_endpoints(ready), operations=_operations(ready, state_dir, self.other))
            except (KeyboardInterrupt, OutputClosedError):
                shutil.rmtree(state_dir, ignore_errors=True)
                raise
            shutil.rmtree(state_dir, ignore_errors=True)

    def down(self, say: Say) -> bool:
        """Stop the background lab; return when its processes have ended."""
        ready = self._state()
        if ready is None or _ask(ready, "POST", "/shutdown") is None:
            return False
        say("stopping the local lab")
        deadline = time.monotonic() + STOP_WITHIN_S
        while _ask(ready, "GET", "/processes") is not None or (self.state_dir / "state.json").exists():
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(ready.pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        return True

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan unchanged: it is written for these backends."""
        return plan

    def status(self) -> list[Member]:
        """Return the processes as the supervisor reports them."""
        ready = self._state()
        answer = _ask(ready, "GET", "/processes") if ready else None
        if answer is None:
            return []
        return [Member(p["name"], p["role"], p["state"], p["address"]) for p in answer["processes"]]

    def logs(self, tail: int) -> str:
        """Return the last lines of each log file below its name."""
        parts = []
        for path in sorted((self.state_dir / "logs").glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-tail:]
            parts.append("\n".join([f"==> {path.stem} <==", *lines]))
        return "\n\n".join(parts)

    def _tell_where(self, say: Say) -> None:
        """Create the folder, and tell the user where it is unless it is in the working directory."""
        make_private(self.root)
        if self.root.is_absolute():
            say(f"the lab keeps its files in {self.root}")

    def _state(self) -> Ready | None:
        try:
            message = decode((self.state_dir / "state.json").read_bytes())
        except (OSError, ValueError):
            return None
        return message if isinstance(message, Ready) else None


class _Child:
    """A supervisor that this process started. It is stopped when the context ends, unless it was detached."""

    def __init__(self, state_dir: Path, backends: int, balancer_command: tuple[str, ...], other: Choice | None) -> None:
        self._state_dir = state_dir
        self._command = [*words(SUPERVISOR)]
        self._command += ["--state-dir", str(state_dir.absolute()), "--backends", str(backends)]
        self._command += ["--balancer-cmd", shlex.join(balancer_command)]
        self._command += ["--other", other.to_json()] if other else []
        self._detached = False

    def __enter__(self) -> _Child:
        log_dir = self._state_dir / "logs"
        log_dir.mkdir(parents=True, exist_ok=True)
        with (log_dir / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
                umask=UMASK,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        _pipe(self._process.stdout).close()
        # Closing the lifeline stops the supervisor; after `detach` the supervisor ignores it.
        with contextlib.suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        if self._detached:
            return
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_ready(self, say: Say) -> Ready:
        """Show the supervisor's notices until it is ready. Raise `EnvironmentProblemError` if it fails."""
        for line in _pipe(self._process.stdout):
            match decode(line):
                case Notice(text):
                    say(text)
                case Failed(message, next_step, log_tail):
                    raise EnvironmentProblemError(message, next_step, tuple(log_tail))
                case Ready() as ready:
                    return ready
        log = self._state_dir / "logs" / "supervisor.log"
        raise EnvironmentProblemError("the local supervisor ended before the lab was ready", f"read {log}")

    def detach(self) -> None:
        """Let the supervisor run until `down`."""
        _pipe(self._process.stdin).write(DETACH)
        _pipe(self._process.stdin).flush()
        self._detached = True


def prune(root: Path, kept: int) -> None:
    """Remove the folders of earlier runs except the newest `kept` and those that a lab uses."""
    dated = []
    for folder in root.glob("run-*"):
        with contextlib.suppress(OSError):  # another lab removed it first
            dated.append((folder.stat().st_mtime, folder))
    for _, folder in sorted(dated, reverse=True)[kept:]:
        with contextlib.suppress(OSError), _in_use(folder):
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Lock the folder until the context or the process ends. Raise `BlockingIOError` if another process has it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None, "the supervisor is started with pipes"
    return stream


def _endpoints(ready: Ready) -> Endpoints:
    return Endpoints(
        traffic=ready.traffic,
        admin=ready.admin,
        chaos=ready.chaos,
        chaos_token=ready.chaos_token,
        runtime="local",
        admin_token=ready.admin_token,
        balancer=ready.balancer,
        balancer_pid=ready.balancer_pid,
        balancer_log=ready.balancer_log,
        host=ready.host,
        runtime_control=LocalRuntimeControl(ready) if ready.admin else None,
    )


def _operations(ready: Ready, state_dir: Path, other: Choice | None) -> LocalOperations | None:
    """Return the operations on a balancer whose files the lab has rendered; None for any other one."""
    if other is None or other.files or not other.adapter or (answer := _ask(ready, "GET", "/processes")) is None:
        return None
    backends = {each["name"]: each["address"] for each in answer["processes"] if each["role"] == "api"}
    spec = spec_of(other, Wanted(urlsplit(ready.traffic).netloc, ready.balancer_admin, backends))
    operated = Operated(adapter(other.adapter), spec, state_dir.absolute() / BALANCER_FOLDER, ready.balancer_pid)
    operator = operated.adapter.operator(operated)
    return None if operator is None else LocalOperations(ready, operator)


def _ask(ready: Ready, method: str, path: str) -> dict[str, Any] | None:
    """Return the supervisor's JSON answer, or None if nothing, or another program, answers at its address."""
    request = urllib.request.Request(
        ready.supervisor + path, method=method, headers={"Authorization": f"Bearer {ready.supervisor_token}"}
    )
    try:
        with direct_opener().open(request, timeout=2) as answer:
            return dict(json.load(answer))
    except (OSError, urllib.error.URLError, ValueError):
        return None
