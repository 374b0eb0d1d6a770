"""A real replica process on a free port, for tests that need sockets, signals or a process that can die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.api.reading import read_line

START_TIMEOUT_S = 15.0
"""An import takes under a second; this leaves room for two busy cores shared with other test runs."""


@dataclass(slots=True)
class ReplicaProcess:
    """A running `python -m api`."""

    process: subprocess.Popen[bytes]
    instance: str
    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 15.0) -> int:
        return self.process.wait(timeout_s)


def start_replica(instance: str, ledger_dir: Path, port: int = 0, **environ: str) -> ReplicaProcess:
    """Start one and wait until it accepts; raises `AssertionError` with its stderr when it does not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api"],
        env=replica_environment(instance, ledger_dir, port, environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    line = read_line(process, START_TIMEOUT_S)
    return ReplicaProcess(process, instance, int(json.loads(line)["address"].rsplit(":", 1)[1]))


def replica_environment(instance: str, ledger_dir: Path, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without its own `API_*`, plus what this replica is told."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("API_")}
    own = {"API_INSTANCE": instance, "API_LEDGER_DIR": str(ledger_dir), "API_PORT": str(port)}
    return {**inherited, **own, **extra}


def stop_replica(replica: ReplicaProcess) -> None:
    """End it whatever state it is in (a stopped process dies by SIGKILL too)."""
    if replica.process.poll() is None:
        replica.process.kill()
    replica.process.communicate()


@contextmanager
def running_replica(instance: str, ledger_dir: Path, port: int = 0, **environ: str) -> Iterator[ReplicaProcess]:
    replica = start_replica(instance, ledger_dir, port, **environ)
    try:
        yield replica
    finally:
        stop_replica(replica)
