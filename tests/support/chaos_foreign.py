"""A compose project that knows nothing of Reroute, from an image with one static program, and chaos services that are
attached to it from compose projects of their own."""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import docker

from tests.support.chaos_client import TOKEN
from tests.support.chaos_docker import IMAGE, ROOT, base_image, is_rule, unnumbered

PLAIN_IMAGE = "reroute-test-plain:1"
DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS busybox
RUN apt-get update && apt-get install --yes --no-install-recommends busybox-static
RUN mkdir /www && echo fine > /www/healthz
FROM scratch
COPY --from=busybox /bin/busybox /busybox
COPY --from=busybox /www /www
"""
"""No shell, no Python, no iptables, no tc."""
SHOP = f"""
x-plain: &plain
  image: {PLAIN_IMAGE}
  init: true
  command: [/busybox, httpd, -f, -p, "8080", -h, /www]
services:
  web:
    <<: *plain
    deploy: {{replicas: 2}}
    networks: [back, front]
  api2:
    <<: *plain
    init: false
    command: [/busybox, httpd, -f, -p, "9000", -h, /www]
    restart: always
    cpus: 0.5
    mem_limit: 64m
    networks: [front]
  hidden:
    <<: *plain
    networks: [back]
  proxy:
    <<: *plain
    networks: [front]
  db:
    <<: *plain
    networks: [back]
  hosted:
    <<: *plain
    command: [/busybox, sleep, "9999"]
    network_mode: host
  main:
    <<: *plain
    networks: [front]
  sidecar:
    <<: *plain
    command: [/busybox, sleep, "9999"]
    network_mode: service:main
  lonely:
    <<: *plain
    network_mode: none
networks: {{front: , back: }}
"""
ATTACHED = """
x-chaos: &chaos
  image: {image}
  init: true
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  user: "0:0"
  volumes: [/var/run/docker.sock:/var/run/docker.sock, state:/state]
  networks: {{front: , control: {{aliases: [chaos-api]}}}}
services:
  chaos:
    <<: *chaos
    environment: &environment {environment}
    ports: ["127.0.0.1::8082"]
  reaper:
    <<: *chaos
    environment: *environment
    networks: [front, control]
    command: [python, -m, chaos.reaper]
networks: {{control: , front: {{external: true, name: {front}}}}}
volumes: {{state: }}
"""
TARGETS = "web,api2:9000,hidden,hosted,main,sidecar,lonely"
UNEQUAL = re.compile(
    r"State\.(Pid|StartedAt|FinishedAt)|NetworkSettings\.(Sandbox|EndpointID|Networks\.\w+\.EndpointID)|ResolvConfPath"
)
"""What differs after every start of a container."""
ADDRESSES = re.compile(r"\.(IPAddress|MacAddress)")


def build_plain_image(client: docker.DockerClient) -> None:
    command = ["docker", "build", "-q", "--build-arg", f"BASE_IMAGE={base_image(client)}", "-t", PLAIN_IMAGE, "-"]
    done = subprocess.run(command, input=DOCKERFILE, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


class Project:
    """One compose project, from a file in `folder`."""

    def __init__(self, client: docker.DockerClient, folder: Path, name: str, text: str) -> None:
        self.client = client
        self.name = name
        self._file = folder / f"{name}.yaml"
        self._file.write_text(textwrap.dedent(text))

    def compose(self, *arguments: str, timeout_s: float = 120) -> str:
        command = ["docker", "compose", "-f", str(self._file), "-p", self.name, "--progress", "quiet", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def container(self, service: str, number: int = 1) -> Any:
        return self.client.containers.get(f"{self.name}-{service}-{number}")

    def helpers(self, container: str) -> list[Any]:
        labelled = {"label": f"reroute.helper={container}"}
        return list(self.client.containers.list(all=True, filters=labelled, ignore_removed=True))

    def close(self) -> None:
        ours = {"label": f"com.docker.compose.project={self.name}"}
        for container in self.client.containers.list(all=True, filters=ours):
            for helper in self.helpers(container.id):
                helper.remove(force=True)
        self.compose("kill", "--remove-orphans")
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")


class Attached(Project):
    """A chaos service with its reaper for another project, as the lab attaches them."""

    def __init__(self, client: docker.DockerClient, folder: Path, shop: Project, name: str, **settings: str) -> None:
        environment = {
            "CHAOS_RUNTIME": "docker",
            "CHAOS_HOST": "chaos-api",
            "CHAOS_STATE_DIR": "/state",
            "CHAOS_TOKEN": TOKEN,
            "CHAOS_PROJECT": shop.name,
            "CHAOS_TARGETS": TARGETS,
            "CHAOS_BALANCER": "proxy",
            "CHAOS_SERVICE_PORT": "8080",
            "CHAOS_HEALTH_PATH": "/healthz",
            "CHAOS_REVIVE_AFTER": "1s",
            **settings,
        }
        text = ATTACHED.format(image=IMAGE, front=f"{shop.name}_front", environment=json.dumps(environment))
        super().__init__(client, folder, name, text)
        self.compose("up", "--detach", "--pull", "never")

    @property
    def url(self) -> str:
        ports = self.container("chaos").ports.get("8082/tcp")
        return f"http://127.0.0.1:{ports[0]['HostPort']}" if ports else ""


def state_of(container: Any, *, addresses: bool = True) -> dict[str, Any]:
    """All that `docker inspect` says of a container, but what differs after every start; with its packet rules."""
    container.reload()
    said = dict(_flat(container.attrs, ""))
    kept = {key: value for key, value in said.items() if not UNEQUAL.search(key)}
    return {key: value for key, value in kept.items() if addresses or not ADDRESSES.search(key)}


def rules_of(client: docker.DockerClient, network_mode: str) -> list[str]:
    """The rules and queueing disciplines in a network namespace, such as `container:ID` or `host`."""
    tools = ["sh", "-c", "iptables-save; ip6tables-save; tc qdisc show"]
    said = client.containers.run(IMAGE, tools, network_mode=network_mode, cap_add=["NET_ADMIN"], remove=True).decode()
    return [_uncounted(unnumbered(line)) for line in said.splitlines() if is_rule(line)]


def _uncounted(line: str) -> str:
    return re.sub(r"\[\d+:\d+\]", "", line)


def _flat(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for key, each in value.items() for pair in _flat(each, f"{path}.{key}".lstrip("."))]
    return [(path, sorted(value) if path.endswith(".Aliases") and value else value)]
