"""The processes of a local lab, with their commands, environments, addresses and readiness checks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ..balancers.adapter import Command
from ..balancers.selection import Choice, ThisMachine, Wanted, prepare
from ..processes.launch import words
from .ports import LOOPBACK

OUR_BALANCER = words("lb")
BALANCER_FOLDER = "balancer"
"""Folder, in that of the lab, with the files of a balancer that is not ours."""


class Role(StrEnum):
    """The kind of a process in the lab."""

    API = "api"
    LB = "lb"
    CHAOS = "chaos"
    RELAY = "relay"


@dataclass(frozen=True, slots=True)
class Spec:
    """One process to run."""

    name: str
    role: Role
    command: tuple[str, ...]
    environment: dict[str, str]
    """Variables in addition to `lab.processes.child_environment`."""
    ready_url: str
    """URL that answers 200 once the process is ready."""
    address: str
    """Address for other processes. For a backend, the address of its relay, which the balancer uses."""
    upstream: str | None = None
    """The backend's own address, behind the relay."""
    control: str | None = None
    """URL of the relay's control port."""
    ready_host: str = ""
    """Host header of requests to `ready_url`; empty: the URL's."""
    loaded_url: str = ""
    """URL that answers 200 once the process has read its files. Until then, its other responses mean nothing."""
    early: bool = False
    """Whether it may answer 404 before it has read its files, so that a 404 is not final."""
    restarted: bool = True
    """Whether the supervisor restarts it when it ends. Backends are restarted by the chaos service, as on Docker."""
    directory: Path | None = None
    """Working directory; None: the folder of its log, whatever directory the caller is in."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The settings that differ from one local lab to the next."""

    state_dir: Path
    traffic_port: int
    admin_port: int
    chaos_port: int
    supervisor_url: str
    supervisor_token: str = field(repr=False)
    chaos_token: str = field(repr=False)
    misbehave_token: str = field(repr=False)
    """Secret shared by the backends and the chaos service only."""
    relay_token: str = field(repr=False)
    admin_token: str = field(repr=False)
    backends: int = 3
    balancer_command: tuple[str, ...] = OUR_BALANCER
    """Command of the balancer; `--config FILE` is appended. It must support the admin API of docs/interfaces.md."""
    other: Choice | None = None
    """A balancer to use in place of ours, without the admin API."""

    @property
    def prefix(self) -> str:
        """Path with which the path of every request through the balancer begins."""
        return self.other.prefix if self.other else ""

    @property
    def watched(self) -> bool:
        """Whether the balancer is not ours, so that its sockets are watched unless its network is confined."""
        return self.other.watched if self.other else self.balancer_command != OUR_BALANCER


def local_lab(layout: Layout, spare_ports: Iterator[int]) -> list[Spec]:
    """Return every process of the lab, and write the balancer's configuration file.

    Raise `LabError` if another balancer is wanted and is not installed or rejects its configuration.
    """
    specs: list[Spec] = []
    addresses: dict[str, str] = {}
    relay_ports = iter(layout.other.relay_ports if layout.other else ())
    for number in range(1, layout.backends + 1):
        relay_port = next(relay_ports, None)
        relay = _address(next(spare_ports) if relay_port is None else relay_port)
        backend, relay_spec = backend_specs(f"api-{number}", relay, layout, spare_ports)
        addresses[backend.name] = backend.address
        specs += [backend, relay_spec]
    return [*specs, *(_other(layout, addresses) if layout.other else [_balancer(layout, addresses)]), _chaos(layout)]


def backend_specs(name: str, relay: str, layout: Layout, spare_ports: Iterator[int]) -> tuple[Spec, Spec]:
    """Return a backend, and its relay, which listens on `relay`."""
    port = next(spare_ports)
    upstream, control = f"{LOOPBACK}:{port}", _address(next(spare_ports))
    backend = Spec(
        name=name,
        role=Role.API,
        command=words("api"),
        environment={
            "API_HOST": LOOPBACK,
            "API_PORT": str(port),
            "API_INSTANCE": name,
            "API_LEDGER_DIR": str(layout.state_dir / "ledger"),
            "API_MISBEHAVE_TOKEN": layout.misbehave_token,
            "API_PREFIX": layout.prefix,
        },
        ready_url=f"http://{upstream}/health",
        address=relay,
        upstream=upstream,
        control=f"http://{control}",
        restarted=False,
    )
    relay_command = ("--listen", relay, "--upstream", upstream, "--control", control)
    return backend, Spec(
        name=f"{name}-relay",
        role=Role.RELAY,
        command=words("chaos.relay", *relay_command),
        environment={"CHAOS_RELAY_TOKEN": layout.relay_token},
        ready_url=f"http://{control}/healthz",
        address=relay,
        upstream=upstream,
        control=f"http://{control}",
    )


def _balancer(layout: Layout, backends: dict[str, str]) -> Spec:
    admin = _address(layout.admin_port)
    config = {
        "version": 1,
        "listen": _address(layout.traffic_port),
        "admin": {"listen": admin},
        "discovery": {"kind": "static", "backends": [{"id": n, "address": a} for n, a in backends.items()]},
    }
    path = layout.state_dir / "lb.yaml"
    path.write_text(json.dumps(config, indent=2) + "\n")  # JSON is valid YAML
    command: tuple[str, ...] = (*layout.balancer_command, "--config", str(path))
    if layout.balancer_command != OUR_BALANCER:
        folder = layout.state_dir / BALANCER_FOLDER
        folder.mkdir()
        command = ThisMachine().kept_in(Command(command), folder).argv
    return Spec(
        name="lb",
        role=Role.LB,
        command=command,
        environment={"LB_ADMIN__TOKEN": layout.admin_token},  # not in the file, because other users can read the file
        ready_url=f"http://{admin}/readyz",
        address=_address(layout.traffic_port),
        directory=None if layout.balancer_command == OUR_BALANCER else Path.cwd(),
    )


def _other(layout: Layout, backends: dict[str, str]) -> list[Spec]:
    """Return a balancer under test, or an empty list if it runs elsewhere. It is not restarted: its end is a result."""
    assert layout.other is not None
    workdir = layout.state_dir / BALANCER_FOLDER
    workdir.mkdir()
    wanted = Wanted(_address(layout.traffic_port), _address(layout.admin_port), backends)
    prepared = prepare(layout.other, wanted, workdir)
    if prepared is None:
        return []
    return [
        Spec(
            name="lb",
            role=Role.LB,
            command=prepared.argv,
            environment=dict(prepared.environment),
            ready_url=prepared.ready_url,
            ready_host=layout.other.host,
            loaded_url=f"http://{wanted.listen}{prepared.loaded_path}" if prepared.loaded_path else "",
            early=prepared.early,
            address=wanted.listen,
            restarted=False,
            directory=Path.cwd(),
        )
    ]


def _chaos(layout: Layout) -> Spec:
    address = _address(layout.chaos_port)
    return Spec(
        name="chaos",
        role=Role.CHAOS,
        command=words("chaos"),
        environment={
            "CHAOS_RUNTIME": "local",
            "CHAOS_HOST": LOOPBACK,
            "CHAOS_PORT": str(layout.chaos_port),
            "CHAOS_STATE_DIR": str(layout.state_dir / "chaos"),
            "CHAOS_TOKEN": layout.chaos_token,
            "CHAOS_MISBEHAVE_TOKEN": layout.misbehave_token,
            "CHAOS_SUPERVISOR": layout.supervisor_url,
            "CHAOS_SUPERVISOR_TOKEN": layout.supervisor_token,
            "CHAOS_RELAY_TOKEN": layout.relay_token,
        },
        ready_url=f"http://{address}/healthz",  # `/readyz` needs the token, and only checks the supervisor
        address=address,
    )


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"
