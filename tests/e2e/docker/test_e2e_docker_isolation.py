"""What a backend's container can reach and change: the balancer's traffic port, its own ledger, and nothing else."""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.balancers.selection import Choice
from lab.compare.docker_environment import DockerEnvironment
from lab.runtime.docker_cli import docker
from lab.runtime.docker_lab import DockerRuntime
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_docker import need_docker

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

CONNECT = """
import json, socket, sys
reached = []
for address in sys.argv[1:]:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
        reached.append(address)
    except OSError:
        pass
print(json.dumps(reached))
"""
CHANGE = """
import json, os, pathlib, sys
tried = {}
for path in pathlib.Path("/ledger").glob("*.jsonl"):
    try:
        path.open("ab").close()
        tried[path.stem] = "written"
    except OSError as error:
        tried[path.stem] = type(error).__name__
    try:
        path.rename(path.with_suffix(".moved")).rename(path)
        tried[path.stem] += ", moved"
    except OSError as error:
        tried[path.stem] += ", " + type(error).__name__
print(json.dumps(tried))
"""
TOKENS = """
import json, pathlib
tried = {}
for path in pathlib.Path("/misbehave").iterdir():
    try:
        path.read_text()
        tried[path.name] = "read"
    except OSError as error:
        tried[path.name] = type(error).__name__
    try:
        path.unlink()
        tried[path.name] += ", removed"
    except OSError as error:
        tried[path.name] += ", " + type(error).__name__
print(json.dumps(tried))
"""
PROCESSES = """
import json, pathlib
found = []
for path in pathlib.Path("/proc").glob("[0-9]*/status"):
    lines = dict(line.split(":\\t", 1) for line in path.read_text().splitlines() if ":\\t" in line)
    if lines["Name"] == "python" and lines["PPid"] == "1":
        found.append(lines)
print(json.dumps(found))
"""


@dataclass
class Lab:
    """A compose project of our own, and its containers as the engine describes them."""

    cli: Cli
    project: str
    volumes_before: set[str]

    def containers(self, service: str) -> list[dict[str, Any]]:
        return containers(self.project, service)

    def addresses(self, service: str) -> dict[str, str]:
        return addresses(*self.containers(service))


def containers(project: str, service: str) -> list[dict[str, Any]]:
    filters = [f"label=com.docker.compose.{key}" for key in (f"project={project}", f"service={service}")]
    found = docker(["ps", "--quiet", *(word for each in filters for word in ("--filter", each))]).stdout.split()
    return list(json.loads(docker(["inspect", *found]).stdout))


def addresses(container: dict[str, Any]) -> dict[str, str]:
    return {name: each["IPAddress"] for name, each in container["NetworkSettings"]["Networks"].items()}


def inside(container: str, program: str, *arguments: str, user: str = "") -> str:
    options = ["--user", user] if user else []
    done = docker(["exec", *options, container, "python", "-c", program, *arguments], timeout_s=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reached(container: str, *wanted: str) -> list[str]:
    """Return those of the addresses that the container can connect to; one `docker exec` takes seconds."""
    return list(json.loads(inside(container, CONNECT, *wanted)))


def volumes() -> set[str]:
    return set(docker(["volume", "ls", "--quiet"]).stdout.split())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need_docker()
    project = f"reroute-test-{secrets.token_hex(3)}"
    cli = Cli(tmp_path_factory.mktemp("isolation"), {**spare_ports(), "COMPOSE_PROJECT_NAME": project})
    made = Lab(cli, project, volumes())
    try:
        up = cli.run("up", "--runtime", "docker", "--json", within_s=280)
        assert up.code == 0, up
        yield made
    finally:
        cli.run("down", "--runtime", "docker", "--project", project)
        assert DockerRuntime(project).status() == []


@pytest.mark.parametrize(("service", "port"), [("lb", "8081"), ("chaos", "8082")])
def test_a_backend_reaches_neither_the_admin_port_nor_the_chaos_service(lab: Lab, service: str, port: str) -> None:
    backend = lab.containers("api")[0]["Id"]
    addresses = lab.addresses(service)
    assert len(addresses) == 2
    hosts = (*addresses.values(), service, "lb-admin", "chaos-api")
    assert reached(backend, *(f"{host}:{port}" for host in hosts), "lb:8080") == ["lb:8080"]
    # The same question has an answer where it should have one, and from the host.
    control = f"{addresses[f'{lab.project}_control']}:{port}"
    assert reached(lab.containers("chaos")[0]["Id"], control) == [control]
    variable = {"lb": "REROUTE_ADMIN_PORT", "chaos": "REROUTE_CHAOS_PORT"}[service]
    with urllib.request.urlopen(f"http://127.0.0.1:{lab.cli.environment[variable]}/healthz", timeout=5) as answer:
        assert answer.status == 200


def test_a_backend_changes_no_ledger_but_its_own(lab: Lab) -> None:
    backend = lab.containers("api")[0]
    own = backend["Config"]["Hostname"]
    user = inside(backend["Id"], "import os; print(os.stat('/ledger/' + os.uname().nodename + '.jsonl').st_uid)")
    assert int(user) > 1 << 29

    as_replica = json.loads(inside(backend["Id"], CHANGE, user=f"{user}:{user}"))
    assert as_replica.pop(own) == "written, moved"
    assert list(as_replica.values()) == ["PermissionError, PermissionError"] * 2
    as_root = json.loads(inside(backend["Id"], CHANGE))
    assert list(as_root.values()) == ["PermissionError, PermissionError"] * 3


def test_a_backend_reads_and_replaces_no_token_that_lets_another_one_misbehave(lab: Lab) -> None:
    backend = lab.containers("api")[0]
    user = inside(backend["Id"], "import os; print(os.stat('/ledger/' + os.uname().nodename + '.jsonl').st_uid)")
    tried = json.loads(inside(backend["Id"], TOKENS, user=f"{user}:{user}"))
    assert set(tried) == {each["Config"]["Hostname"] for each in lab.containers("api")}
    assert set(tried.values()) == {"PermissionError, PermissionError"}
    outcome = lab.cli.run("faults", "inject", "unhealthy", "api-2", "--duration", "1s", "--runtime", "docker")
    assert outcome.code == 0, outcome


def test_the_replica_itself_has_that_user_and_no_capability(lab: Lab) -> None:
    for each in lab.containers("api"):
        (status,) = json.loads(inside(each["Id"], PROCESSES))
        assert "0" not in status["Uid"].split()
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["NoNewPrivs"] == "1"


def test_a_client_of_the_balancer_cannot_order_misbehaviour_and_the_fault_still_works(lab: Lab) -> None:
    site = f"http://127.0.0.1:{lab.cli.environment['REROUTE_LB_PORT']}"
    order = urllib.request.Request(f"{site}/misbehave", b'{"mode":"unhealthy"}', method="PUT")
    order.add_header("Content-Type", "application/json")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(order, timeout=10)
    with raised.value as answer:
        assert answer.code == 401
    outcome = lab.cli.run("faults", "inject", "unhealthy", "api-1", "--duration", "1s", "--runtime", "docker")
    assert outcome.code == 0, outcome


def test_a_session_with_network_helpers_leaves_no_volume(lab: Lab) -> None:
    """Last in this file: it takes the lab down."""
    for kind, parameter in (("delay", "delay=100ms"), ("partition", "peer=balancer")):
        arguments = (kind, "api-1", "--param", parameter, "--duration", "1s", "--runtime", "docker")
        outcome = lab.cli.run("faults", "inject", *arguments)
        assert outcome.code == 0, outcome
    named = {f"{lab.project}_{name}" for name in ("ledger", "chaos-state", "misbehave")}
    ours = {each for each in volumes() - lab.volumes_before if each.startswith(lab.project) or len(each) == 64}
    assert ours == named, "a helper made an anonymous volume"
    lab.cli.run("down", "--runtime", "docker", "--project", lab.project)
    assert not named & volumes()


@pytest.mark.parametrize("balancer", ["haproxy", pytest.param("reroute", marks=pytest.mark.long)])
def test_a_backend_of_a_contest_reaches_no_balancers_admin_port(tmp_path: Path, balancer: str) -> None:
    need_docker()
    project = f"reroute-compare-{secrets.token_hex(3)}"
    environment = DockerEnvironment(tmp_path, project)
    with environment.set_up(lambda text: None), environment.lab(Choice(balancer, adapter=balancer)):
        backend = containers(project, "api")[0]["Id"]
        (container,) = containers(project, "balancer")
        assert reached(container["Id"], "127.0.0.1:8081") == ["127.0.0.1:8081"]
        admin = [f"{address}:8081" for address in addresses(container).values()]
        chaos = [f"{address}:8082" for address in addresses(*containers(project, "chaos")).values()]
        traffic = f"{addresses(container)[f'{project}_traffic']}:8080"
        assert reached(backend, *admin, *chaos, traffic) == [traffic]
