"""The lab as containers, by `docker compose` with the compose.yaml of the repository or the wheel."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..scenario.plan import Plan
from ..services.endpoints import Endpoints
from . import Member, Say, ports
from .docker_cli import compose_version, docker, engine_version
from .docker_control import DockerRuntimeControl
from .docker_output import PROJECT_LABEL, parse_ps, tail

DEFAULT_PROJECT: Final = "reroute"
ADMIN_TOKEN: Final = "REROUTE_ADMIN_TOKEN"
COMPOSE_FILE: Final = Path(__file__).resolve().parents[2] / "compose.yaml"
UP_WITHIN_S: Final = 600.0
"""Seconds. The first start builds images, which takes two minutes on a slow line; this is five times as long."""
HEALTHY_WITHIN_S: Final = 120
DOWN_WITHIN_S: Final = 90.0
RECOVER_WITHIN_S: Final = 20.0
"""Seconds. A balancer that lacked backends is healthy again after two of its checks (4 s); this is five times that."""
RECOVER_POLL_S: Final = 2.0
TRAFFIC, ADMIN, CHAOS = ("lb", 8080), ("lb", 8081), ("chaos", 8082)
"""Service, and port inside its container."""


@dataclass(slots=True)
class DockerRuntime:
    """One compose project."""

    project: str = DEFAULT_PROJECT
    compose_file: Path = COMPOSE_FILE
    """Any compose file with services called lb, api and chaos and the labels in docs/pytest.md."""
    name: str = "docker"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Environment for Compose, in addition to this process' own."""
    _checked: bool = field(default=False, init=False, repr=False)
    _own_token: str = field(default="", init=False, repr=False)
    """The balancer's admin token if the environment has none. Compose needs the same token in every call."""

    def find(self) -> Endpoints | None:
        """Return the lab if its balancer, its chaos service and its backends run, or None."""
        containers = self._containers()
        running = {each["Service"] for each in containers if each["State"] == "running"}
        if not {"lb", "chaos", "api"} <= running:
            return None
        traffic, admin, chaos = (_published(containers, *which) for which in (TRAFFIC, ADMIN, CHAOS))
        if not (traffic and admin and chaos):
            return None
        return Endpoints(
            traffic=traffic,
            admin=admin,
            chaos=chaos,
            chaos_token=self.token(),
            runtime="docker",
            admin_token=self._admin_token(containers),
            runtime_control=DockerRuntimeControl(self.compose),
        )

    def up(self, say: Say) -> Endpoints:
        """Build images and start what does not run yet; return when everything is healthy.

        A new lab that does not become healthy, or is interrupted, is removed again.
        """
        containers = self._containers()
        fresh = not containers
        if fresh and not _has_admin_token(self.compose_file):
            self._own_token = secrets.token_urlsafe(24)
        elif not fresh:
            self._admin_token(containers)
        if fresh:
            _check_ports()
        else:
            self._refuse_foreign("replaced")
        say("docker compose up --build --wait (the first time, images are built)")
        try:
            return self._up(fresh)
        except BaseException:
            if fresh:
                with uninterrupted():
                    self._remove()
            raise

    @contextlib.contextmanager
    def borrow(self, say: Say) -> Iterator[Endpoints]:
        """Yield the running lab, or a new one for the length of the context."""
        if (running := self.find()) is not None:
            if folder := self._foreign_folder():
                say(f"this lab was started from {folder}: its code is measured, not that of {self.compose_file.parent}")
            yield running
            return
        endpoints = self.up(say)
        try:
            yield endpoints
        finally:
            with uninterrupted():
                self.down(say)

    def down(self, say: Say) -> bool:
        """Remove the project's containers, networks and volumes."""
        if not self._containers():
            return False
        self._refuse_foreign("removed")
        say(f"docker compose down ({self.project})")
        self._remove()
        return True

    def adapt(self, plan: Plan) -> Plan:
        """Return the plan unchanged: it is written for these backends."""
        return plan

    def status(self) -> list[Member]:
        """Return all containers of the project, including those that do not run."""
        return [_member(each) for each in self._containers()]

    def logs(self, tail: int) -> str:
        """Return the last lines that the containers wrote."""
        return self.compose("logs", "--no-color", "--tail", str(tail), timeout_s=30).stdout

    def _up(self, fresh: bool) -> Endpoints:
        self._unpause()
        arguments = ["--detach", "--wait", "--wait-timeout", str(HEALTHY_WITHIN_S)]
        result = self.compose("up", "--build", *arguments, timeout_s=UP_WITHIN_S)
        # Compose gives up on a container that was unhealthy before, although it is about to recover.
        until = time.monotonic() + RECOVER_WITHIN_S
        while not fresh and result.returncode != 0 and "is unhealthy" in result.stderr and time.monotonic() < until:
            time.sleep(RECOVER_POLL_S)
            result = self.compose("up", *arguments, timeout_s=HEALTHY_WITHIN_S + DOWN_WITHIN_S)
        if result.returncode != 0:
            raise up_problem(result.stderr, self.logs(tail=5))
        endpoints = self.find()
        if endpoints is None:
            raise EnvironmentProblemError("the containers started, but not all of them still run", "lab doctor")
        return endpoints

    def _unpause(self) -> None:
        """Resume containers that a fault left paused, because Compose cannot start a paused container."""
        paused = [each["Name"] for each in self._containers() if each["State"] == "paused"]
        if paused and (result := docker(["unpause", *paused], timeout_s=30)).returncode != 0:
            raise EnvironmentProblemError(
                "paused containers cannot be unpaused", f"docker unpause {' '.join(paused)}", tail(result.stderr)
            )

    def _foreign_folder(self) -> str | None:
        """Return the folder from which the project was started if it is not ours, or None."""
        shown = '{{.Label "' + PROJECT_LABEL + '.working_dir"}}'
        result = docker(["ps", "--all", "--filter", f"label={PROJECT_LABEL}={self.project}", "--format", shown])
        if result.returncode != 0:
            raise EnvironmentProblemError("docker ps failed", "lab doctor", tail(result.stderr))
        folders = {line.strip() for line in result.stdout.splitlines() if line.strip()}
        return next((each for each in sorted(folders) if Path(each).resolve() != self.compose_file.parent), None)

    def _refuse_foreign(self, what: str) -> None:
        if folder := self._foreign_folder():
            raise BadArgumentsError(
                f"project {self.project} was started from {folder}: it is not {what} from {self.compose_file.parent}",
                f"run this in {folder}, or choose another --project",
            )

    def _remove(self) -> None:
        # The members' own grace periods are for requests that clients still wait for; here there are none.
        result = self.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", timeout_s=DOWN_WITHIN_S)
        if result.returncode != 0:
            raise EnvironmentProblemError(
                "docker compose down failed", f"{self._command()} down --volumes", tail(result.stderr)
            )

    def _containers(self) -> list[dict[str, Any]]:
        if not self._checked:
            engine_version()
            compose_version()
            self._checked = True
        result = self.compose("ps", "--all", "--format", "json")
        if result.returncode != 0:
            raise EnvironmentProblemError("docker compose ps failed", f"{self._command()} ps", tail(result.stderr))
        return parse_ps(result.stdout)

    def token(self) -> str:
        """Return the chaos service's token. Raise `EnvironmentProblemError` if it cannot be read."""
        result = self.compose("exec", "-T", "chaos", "cat", "/state/token")
        token = result.stdout.strip()
        if result.returncode != 0 or not token:
            raise EnvironmentProblemError(
                "the chaos service's token cannot be read", f"{self._command()} logs chaos", tail(result.stderr)
            )
        return token

    def compose(
        self, *arguments: str, timeout_s: float = 30.0, override: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run any other Compose command on this project. `override` is an additional compose file."""
        whole = ["compose", "--ansi", "never", "--progress", "plain", "-f", str(self.compose_file), "-p", self.project]
        files = ["-f", str(override)] if override else []
        own = {**self.environment, **({ADMIN_TOKEN: self._own_token} if self._own_token else {})}
        environment = {**os.environ, **own} if own else None
        command = [*whole[:7], *files, *whole[7:], *arguments]
        return docker(command, timeout_s=timeout_s, directory=self.compose_file.parent, environment=environment)

    def _admin_token(self, containers: list[dict[str, Any]]) -> str:
        """Return the running balancer's token and keep it; without it, Compose would recreate the container."""
        names = [each["Name"] for each in containers if each["Service"] == "lb"]
        shown = docker(["inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", *names[:1]])
        found = [line.partition("=")[2] for line in shown.stdout.splitlines() if line.startswith("LB_ADMIN__TOKEN=")]
        self._own_token = found[0] if found else ""
        return self._own_token

    def _command(self) -> str:
        return f"docker compose -p {self.project}"


def _has_admin_token(compose_file: Path) -> bool:
    """Return whether the environment, or Compose's own .env file, contains the balancer's admin token."""
    with contextlib.suppress(OSError):
        if any(line.startswith(f"{ADMIN_TOKEN}=") for line in compose_file.with_name(".env").read_text().splitlines()):
            return True
    return bool(os.environ.get(ADMIN_TOKEN))


def _published(containers: list[dict[str, Any]], service: str, port: int) -> str | None:
    for container in containers:
        for publisher in container.get("Publishers") or [] if container["Service"] == service else []:
            if publisher["TargetPort"] == port and publisher["PublishedPort"]:
                return f"http://{ports.LOOPBACK}:{publisher['PublishedPort']}"
    return None


def _member(container: dict[str, Any]) -> Member:
    health = container.get("Health") or ""
    published = {f"{p['URL']}:{p['PublishedPort']}" for p in container.get("Publishers") or [] if p["PublishedPort"]}
    return Member(
        name=container["Name"],
        role=container["Service"],
        state=f"{container['State']} ({health})" if health else container["State"],
        address=" ".join(sorted(published)),
    )


def _check_ports() -> None:
    """Raise `EnvironmentProblemError` for a port in use. Compose would report it only with half the lab started."""
    for published in ports.PUBLISHED:
        port = ports.wanted(published)
        if not ports.is_free(port):
            raise EnvironmentProblemError(
                f"port {port} ({published.name}) is in use",
                f"stop what listens there (lab down?), or set {published.variable} to another port",
            )


def up_problem(stderr: str, logs: str) -> EnvironmentProblemError:
    """Return the error of `docker compose up` with the next step."""
    if "pull access denied" in stderr or "failed to resolve" in stderr or "failed to do request" in stderr:
        return EnvironmentProblemError(
            "the base image cannot be fetched", "on a host without an image registry: make base-image", tail(stderr)
        )
    return EnvironmentProblemError(
        "docker compose up failed", "read the lines above; lab doctor", (*tail(stderr), *tail(logs, 40))
    )


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore further Ctrl-C, so that a second one does not interrupt the clean-up that the first one started."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
