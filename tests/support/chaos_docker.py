"""A tiny lab of containers for the chaos service: image, network, targets, and the service with its reaper.

Built by hand with the SDK instead of compose, so that these tests need an engine and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest
from docker.types import IPAMConfig, IPAMPool

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "reroute-chaos:test"
PORT = 8000
TOKEN = "chaos-secret"
BASE_IMAGES = ("reroute-base:trixie", "python:3.13-slim")
"""Local bases, the first that exists; BASE_IMAGE in the environment comes before."""


def engine() -> docker.DockerClient:
    """The engine; without one the test is skipped, or fails under LAB_REQUIRE_DOCKER=1."""
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except docker.errors.DockerException as error:
        if os.environ.get("LAB_REQUIRE_DOCKER") == "1":
            pytest.fail(f"LAB_REQUIRE_DOCKER=1, but no Docker engine answers: {error}")
        pytest.skip(f"no Docker engine answers: {error}")
    return client


def base_image(client: docker.DockerClient) -> str:
    """The image to build on."""
    local = [base for base in BASE_IMAGES if client.images.list(name=base)]
    return os.environ.get("BASE_IMAGE") or (local or BASE_IMAGES[-1:])[0]


def build_image(client: docker.DockerClient, of: str = "chaos", image: str = IMAGE) -> None:
    """With the command line, which has a build cache on every engine version."""
    base = f"BASE_IMAGE={base_image(client)}"
    command = ["docker", "build", "-q", "-f", f"Dockerfile.{of}", "--build-arg", base, "-t", image, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


class DockerLab:
    """Containers of one made-up compose project; everything is removed at the end."""

    def __init__(self, client: docker.DockerClient, restart: str = "no") -> None:
        """`restart` is every container's policy."""
        self.client = client
        self._restart = {"Name": restart}
        self.project = f"chaostest{secrets.token_hex(3)}"
        self.network = _network(client, f"{self.project}_default")
        self.volume = client.volumes.create(f"{self.project}_state")
        self._containers: list[Any] = []

    def labels(self, service: str, number: int, project: str = "") -> dict[str, str]:
        return {
            "com.docker.compose.project": project or self.project,
            "com.docker.compose.service": service,
            "com.docker.compose.container-number": str(number),
            "com.docker.compose.oneoff": "False",
            "reroute.member": "true",
        }

    def target(self, number: int, *, project: str = "", allow: bool = True) -> Any:
        """One backend container, `api-<number>`."""
        script = ROOT / "tests/support/chaos_backend.py"
        labels = self.labels("api", number, project) | ({"reroute.chaos": "allow"} if allow else {})
        command = ["python", "-c", script.read_text(), str(PORT), "::"]
        # A name of our own: the engine's DNS does not know the names that it makes up.
        name = f"{self.project}-{project or 'own'}-api-{number}"
        return self._run(command, labels=labels, init=True, mem_limit="128m", name=name)

    def service(
        self, service: str, module: str, socket: str = "/var/run/docker.sock", mount: str = "", **options: Any
    ) -> Any:
        """The chaos service or its reaper, as compose.yaml runs them; `socket` is where they find the engine, `mount`
        what they see of the host for that: the socket itself, or a folder in which it may be made anew."""
        mount = mount or socket
        return self._run(
            ["python", "-m", module],
            labels=self.labels(service, 1),
            init=True,
            read_only=True,
            cap_drop=["ALL"],
            tmpfs={"/tmp": ""},
            volumes={
                mount: {"bind": mount},
                self.volume.name: {"bind": "/state"},
            },
            environment={
                "CHAOS_PROJECT": self.project,
                "CHAOS_TOKEN": TOKEN,
                "CHAOS_REVIVE_AFTER": "1s",
                "DOCKER_HOST": f"unix://{socket}",
            },
            **options,
        )

    def _run(self, command: list[str], **options: Any) -> Any:
        container = self.client.containers.run(
            IMAGE, command, detach=True, network=self.network.name, restart_policy=self._restart, **options
        )
        self._containers.append(container)
        return container

    def address(self, container: Any, version: int = 4) -> tuple[str, int]:
        container.reload()
        networks = container.attrs["NetworkSettings"]["Networks"]
        return networks[self.network.name]["IPAddress" if version == 4 else "GlobalIPv6Address"], PORT

    def snapshot(self, container: Any) -> dict[str, Any]:
        """Everything that a fault could leave behind on this container, read from outside the chaos service."""
        container.reload()
        state = container.attrs["State"]
        tools = "iptables-save; ip6tables-save; tc qdisc show"
        rules = self.client.containers.run(
            IMAGE,
            ["sh", "-c", tools],
            network_mode=f"container:{container.id}",
            cap_add=["NET_ADMIN"],
            remove=True,
        ).decode()
        return {
            "status": state["Status"],
            "rules": [unnumbered(line) for line in rules.splitlines() if is_rule(line)],
            "networks": sorted(container.attrs["NetworkSettings"]["Networks"]),
            "limits": _limits(container.attrs["HostConfig"]),
            "helpers": [helper.name for helper in self.helpers(container)],
        }

    def helpers(self, container: Any) -> list[Any]:
        filters = {"label": f"reroute.helper={container.id}"}
        return list(self.client.containers.list(all=True, filters=filters, ignore_removed=True))

    def close(self) -> None:
        for container in self._containers:
            for helper in self.helpers(container):
                helper.remove(force=True)
        for container in reversed(self._containers):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True)
        self.network.remove()
        self.volume.remove()


def _network(client: docker.DockerClient, name: str) -> Any:
    """With subnets of its own (RFC 1918, RFC 4193), so that addresses can be chosen; without IPv6 where the engine's
    host has none."""
    for tries_left in reversed(range(10)):
        a, b = secrets.randbelow(256), secrets.randbelow(256)
        pools = [IPAMPool(f"10.{a}.{b}.0/24"), IPAMPool(f"fd{secrets.token_hex(1)}:{a:x}:{b:x}::/64")]
        try:
            six = Path("/proc/net/if_inet6").exists()
            ipam = IPAMConfig(pool_configs=pools if six else pools[:1])
            return client.networks.create(name, enable_ipv6=six, ipam=ipam)
        except docker.errors.APIError:  # overlaps with a network that is there
            if not tries_left:
                raise
    raise AssertionError


def _limits(host: dict[str, Any]) -> list[int]:
    """Docker writes "unlimited" as 0 before and as -1 after a quota: the kernel knows one."""
    return [max(0, host["CpuQuota"]), host["Memory"], host["MemorySwap"]]


def unnumbered(line: str) -> str:
    """Docker numbers a container's interfaces anew when it joins a network again."""
    return re.sub(r"\beth\d+", "eth", line)


def is_rule(line: str) -> bool:
    """Whether a line of iptables-save or `tc qdisc show` is one that somebody added: not an empty built-in chain or
    table (iptables creates them when it is first asked), nor the engine's own DNS redirection, whose ports are new with
    every start."""
    is_frame = line.startswith(("#", ":INPUT", ":OUTPUT", ":FORWARD", "*", "COMMIT", ":PRE", ":POST"))
    return bool(line) and not is_frame and "DOCKER_" not in line and "127.0.0.11" not in line


def docker_lab() -> Iterator[DockerLab]:
    """For a fixture."""
    lab = DockerLab(engine())
    try:
        yield lab
    finally:
        lab.close()


async def wait_for_exit(container: Any, deadline_s: float = 10) -> None:
    """Until the container is no longer running."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        await asyncio.to_thread(container.reload)
        if not container.attrs["State"]["Running"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{container.name} still runs after {deadline_s} s")
