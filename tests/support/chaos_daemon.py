"""A Docker daemon of our own that can be restarted: own data, own socket, own process ids, own network namespace.

The namespace is what makes it safe: a daemon that starts replaces the iptables rules of the one that is there. A pair
of interfaces with link-local addresses (RFC 3927) leads into it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import pytest

UP_WITHIN_S = 60.0
DOWN_WITHIN_S = 40.0
"""Longer than a daemon gives its containers to stop (15 s)."""
NEEDED = ("dockerd", "ip", "nsenter")


class Daemon:
    """One that runs in the namespace `name`; `address` is where its published ports are."""

    def __init__(self) -> None:
        self.name = f"reroute{secrets.token_hex(3)}"
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        self.socket = self._folder / "run" / "docker.sock"
        self.socket.parent.mkdir()
        net = secrets.randbelow(254) + 1
        self._here, self.address = f"169.254.{net}.1", f"169.254.{net}.2"
        self._process: subprocess.Popen[bytes] | None = None
        self._client: docker.DockerClient | None = None

    @property
    def client(self) -> docker.DockerClient:
        """Of a daemon that was started, and of its next lives."""
        assert self._client is not None
        return self._client

    def set_up(self) -> None:
        """The namespace, and the way into it."""
        outside, inside = f"{self.name}o"[-15:], f"{self.name}i"[-15:]
        ip("netns", "add", self.name)
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        ip("address", "add", f"{self._here}/30", "dev", outside)
        ip("link", "set", outside, "up")
        ip("-n", self.name, "link", "set", "lo", "up")
        ip("-n", self.name, "address", "add", f"{self.address}/30", "dev", inside)
        ip("-n", self.name, "link", "set", inside, "up")

    def start(self, *, live_restore: bool = False) -> None:
        """Returns once it answers."""
        command = ["nsenter", f"--net=/run/netns/{self.name}", "dockerd", "--bridge=none"]
        command += [f"--data-root={self._folder}/data", f"--exec-root={self._folder}/exec"]
        command += [f"--pidfile={self._folder}/pid", f"--host=unix://{self.socket}", f"--config-file={self._config()}"]
        command += ["--live-restore"] if live_restore else []
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + UP_WITHIN_S
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM, as an upgrade does it. Containers go on only under live restore."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DOWN_WITHIN_S)
            self._process = None

    def load(self, image: str) -> None:
        """From the host's daemon."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            command = ["docker", "--host", f"unix://{self.socket}", "load", "--quiet"]
            done = subprocess.run(command, stdin=saved.stdout, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    def log(self) -> str:
        """The end of what it said."""
        return "\n".join((self._folder / "log").read_text(errors="replace").splitlines()[-20:])

    def tear_down(self) -> None:
        """Nothing is left of it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True, timeout=10, check=False)
        for mount in reversed(_mounts_under(self._folder)):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, timeout=10, check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            if self._client is None:  # it asks the daemon for its version at once
                self._client = docker.DockerClient(base_url=f"unix://{self.socket}", timeout=60)
            return bool(self._client.ping())
        except (docker.errors.DockerException, OSError):
            return False

    def _config(self) -> Path:
        """Nothing of the host's configuration but its storage driver, which is known to work here."""
        config = self._folder / "daemon.json"
        driver = docker.from_env().info()["Driver"]
        config.write_text(f'{{"storage-driver": "{driver}"}}')
        return config


def ip(*arguments: str) -> None:
    """ip(8). Raises CalledProcessError."""
    subprocess.run(["ip", *arguments], capture_output=True, timeout=10, check=True)


def second_daemon() -> Iterator[Daemon]:
    """For a fixture. Skips where a second daemon cannot be had: it takes root, and the programs on the path."""
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a Docker daemon of our own takes root and {', '.join(NEEDED)}")
    daemon = Daemon()
    try:
        try:
            daemon.set_up()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr!r}")
        daemon.start()
        yield daemon
    finally:
        daemon.tear_down()


def _mounts_under(folder: Path) -> list[str]:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [mount for mount in mounts if mount.startswith(str(folder))]
