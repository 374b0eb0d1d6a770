"""The examples of attached projects, each copied into a folder of its own as if it were somebody's repository."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.free_ports import free_port
from tests.support.lab_example import base_image

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PORTS = {"haproxy": ("SHOP_PORT", 8088), "traefik": ("ORDERS_PORT", 8089), "nginx": ("NOTES_PORT", 8090)}
"""Example → variable and default of its published port."""
_UP_S = 300.0


@dataclass(frozen=True)
class Example:
    """A running copy of an example."""

    folder: Path
    project: str
    environment: dict[str, str]

    def run(self, *command: str, within_s: float = 240.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip

    def lab(self, *arguments: str, within_s: float = 240.0) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "reroute_lab.lab", *arguments, within_s=within_s)

    def inspected(self) -> list[dict[str, Any]]:
        """What must not change of its containers: everything but states, times and addresses."""
        ids = self.run("docker", "compose", "ps", "--all", "--quiet").stdout.split()
        found = json.loads(self.run("docker", "inspect", *sorted(ids)).stdout)
        return [
            {"id": each["Id"], "config": each["Config"], "host": each["HostConfig"],
             "running": each["State"]["Running"], "networks": sorted(each["NetworkSettings"]["Networks"])}
            for each in found
        ]  # fmt: skip


@contextlib.contextmanager
def running(name: str, folder: Path, *, with_lab_file: bool = True) -> Iterator[Example]:
    """Copy the example, start its containers as its README says, and remove them."""
    variable, default = PORTS[name]
    port = free_port()
    shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".env", "results"))
    for path in folder.glob("*.yaml") if with_lab_file else ():
        path.write_text(path.read_text().replace(f"http://127.0.0.1:{default}/", f"http://127.0.0.1:{port}/"))
    if not with_lab_file:
        for unwanted in ("lab.yaml", "failover.yaml", "test_failover.py"):
            (folder / unwanted).unlink()
    peers = f"reroute-peers:{os.environ.get('REROUTE_TAG', 'dev')}"
    base = base_image()
    images = {
        "HAPROXY_IMAGE": peers, "TRAEFIK_IMAGE": peers, "NGINX_IMAGE": peers,
        **({"PYTHON_IMAGE": base["BASE_IMAGE"]} if base else {}), **base,
    }  # fmt: skip
    project = f"{name}{secrets.token_hex(3)}"
    environment = {**os.environ, **images, variable: str(port), "COMPOSE_PROJECT_NAME": project}
    environment.pop("LAB_FILE", None)
    example = Example(folder, project, environment)
    built = subprocess.run(
        ["docker", "compose", "--profile", "compare", "build", "peers"],
        cwd=ROOT, capture_output=True, text=True, timeout=_UP_S, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    try:
        up = example.run("docker", "compose", "up", "--build", "--detach", "--wait", within_s=_UP_S)
        assert up.returncode == 0, up.stderr
        yield example
    finally:
        example.lab("down", within_s=120.0)
        example.run("docker", "compose", "down", "--volumes", "--timeout", "1", within_s=120.0)
