"""Runs a comparison in containers: all runs share the chaos service and its backends; each has its own balancer.

Each run has as many backends as its entry's pool has servers, as in a local lab, so that the share of requests that a
fault affects is the pool's own. The project is scaled between two runs whose numbers differ.

Configurations contain the backends' addresses in the containers' network, as for processes. With names, the runs would
measure how quickly each balancer follows DNS: discovery, not failover (docs/decisions/0048).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..balancers.adapter import Command
from ..balancers.containers import Containers
from ..balancers.selection import Choice, Prepared, Wanted, prepare
from ..errors import BadArgumentsError, EnvironmentProblemError
from ..processes.direct_http import direct_opener
from ..processes.readiness import NOT_LOADED, Answer, Patience, advice
from ..runtime import Say, ports
from ..runtime.docker_cli import docker, engine_version
from ..runtime.docker_lab import UP_WITHIN_S, DockerRuntime, uninterrupted, up_problem
from ..services.endpoints import Endpoints
from . import docker_containers
from .docker_containers import (
    DockerRunningBalancer,
    balancer_labels,
    first_process,
    inspect,
    log_tail,
    networks,
)
from .environment import RunningBalancer

MEMBERS: Final = ("api", "chaos", "reaper")
PREFIX: Final = "REROUTE_API_PREFIX"
"""Variable of compose.yaml: beginning of the paths that backends accept in addition to the usual ones."""
LISTEN: Final = "0.0.0.0:8080"
ADMIN: Final = "127.0.0.1:8081"
"""The container's own loopback: no client needs the admin port here, and backends must not reach it."""
READY_WITHIN_S: Final = 25.0
"""Seconds, the same limit as for a local lab."""
_POLL_S: Final = 0.05
_START_S: Final = 60.0


@dataclass(slots=True)
class DockerEnvironment:
    """One compose project for the whole comparison."""

    root: Path
    project: str
    images: Mapping[str, str] = field(default_factory=dict)
    """Balancer → image to use in place of ours, such as the official one. Its PATH must have the program."""
    _built: tuple[str, str] = field(default=("", ""), init=False, repr=False)
    """Image of our balancer, and the image of the five others."""
    name: str = "docker"
    _usual: int = field(default=0, init=False, repr=False)
    """Number of backends in compose.yaml."""
    _running: tuple[int, str] = field(default=(0, ""), init=False, repr=False)
    """Number of backends now, and the prefix that they accept."""
    _variables: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    """Environment of Compose."""
    _runtime: DockerRuntime = field(init=False, repr=False)
    _chaos: tuple[str, str] = field(default=("", ""), init=False, repr=False)
    """URL and token of the chaos service."""

    def __post_init__(self) -> None:
        """Choose free ports, so that running labs are not affected."""
        free = ports.free_ports()
        self._variables |= {published.variable: str(next(free)) for published in ports.PUBLISHED} | {PREFIX: ""}
        self._runtime = DockerRuntime(self.project, environment=self._variables)

    @contextlib.contextmanager
    def set_up(self, say: Say) -> Iterator[None]:
        """Build the images and start backends and chaos service; at the end, remove everything."""
        engine_version()
        shown = json.loads(self._compose("--profile", "compare", "config", "--format", "json"))["services"]
        self._built = shown["lb"]["image"], shown["peers"]["image"]
        self._usual = int(shown["api"]["deploy"]["replicas"])
        try:
            say("docker compose build, up (the first time, images are built)")
            self._compose("build", "lb", "peers", *MEMBERS, timeout_s=UP_WITHIN_S)
            self._compose("up", "--detach", "--no-build", "--wait", *MEMBERS, timeout_s=UP_WITHIN_S)
            url = f"http://{ports.LOOPBACK}:{self._runtime.environment[ports.CHAOS.variable]}"
            self._chaos = (url, self._runtime.token())
            self._running = (self._usual, "")
            yield
        finally:
            with uninterrupted():
                self._compose("down", "--volumes", "--remove-orphans", "--timeout", "5", timeout_s=_START_S)

    def place(self, balancer: str, binary: str) -> Containers:
        """Return the containers that have the program of that balancer. `binary`, if given, replaces the usual
        image."""
        ours, peers = self._built
        return Containers(binary or self.images.get(balancer) or (ours if balancer == "reroute" else peers))

    @contextlib.contextmanager
    def lab(self, choice: Choice) -> Iterator[RunningBalancer]:
        """Start the balancer in a container that listens in the project's network and on this machine's loopback."""
        if not choice.adapter:
            raise BadArgumentsError(f"{choice.name} runs on this machine", "leave --runtime docker out")
        self._have(choice.backends or self._usual, choice.prefix)
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="balancer-", dir=self.root)).resolve()
        container = f"{self.project}-balancer"
        backends, place = self._all_backends(), self.place(choice.adapter, choice.binary)
        try:
            prepared = prepare(choice, Wanted(LISTEN, ADMIN, backends), folder, place)
            assert prepared is not None, "only a URL needs no preparation"
            command = Command(prepared.argv, prepared.environment)
            self._start(choice.name, container, place.run(command, folder, *self._options(container)))
            self._wait_ready(choice, prepared, container)
            yield DockerRunningBalancer(self._endpoints(choice, container), self.project, container, backends)
        finally:
            with uninterrupted():
                docker(["rm", "--force", "--volumes", container], timeout_s=_START_S)
            shutil.rmtree(folder, ignore_errors=True)

    def _have(self, count: int, prefix: str) -> None:
        """Let `count` backends run that accept paths below `prefix`. One more prefix does no harm, so it may stay."""
        wanted = (count, prefix or self._running[1])
        if wanted != self._running:
            self._variables[PREFIX] = wanted[1]
            scale = ("--detach", "--no-build", "--no-deps", "--wait", "--scale", f"api={count}", "api")
            self._compose("up", *scale, timeout_s=UP_WITHIN_S)
            self._running = wanted

    def _all_backends(self) -> dict[str, str]:
        """Return the addresses of all backends. If the last run killed one, wait until it is back.

        The chaos service restarts it (`CHAOS_REVIVE_AFTER`, 5 s).
        """
        until, count = time.monotonic() + READY_WITHIN_S, self._running[0]
        while len(found := docker_containers.backends(self.project)) != count:
            if time.monotonic() > until:
                problem = f"instead of {count} backends, these run: {', '.join(found) or 'none'}"
                raise EnvironmentProblemError(problem, "run it again with less other load on this machine")
            time.sleep(_POLL_S)
        return found

    @property
    def _traffic(self) -> str:
        return f"http://{ports.LOOPBACK}:{self._runtime.environment[ports.TRAFFIC.variable]}"

    def _options(self, container: str) -> tuple[str, ...]:
        port = LISTEN.rpartition(":")[2]
        _, control = networks(self.project)
        return (
            # Docker publishes no ports of an internal network, so the port is published through the other network.
            "--name", container, "--network", control, "--publish", f"{self._traffic.removeprefix('http://')}:{port}",
            "--env", f"LB_ADMIN__LISTEN={ADMIN}",  # the value set in our image would override the configuration file
            *balancer_labels(self.project),
        )  # fmt: skip

    def _start(self, name: str, container: str, docker_run: Sequence[str]) -> None:
        traffic, _ = networks(self.project)
        _, _, *words = docker_run
        for step in (["create", *words], ["network", "connect", traffic, container], ["start", container]):
            done = docker(step, timeout_s=_START_S)
            if done.returncode != 0:
                told = tuple(done.stderr.strip().splitlines()[-3:])
                raise EnvironmentProblemError(f"{name} does not start", "", told)

    def _wait_ready(self, choice: Choice, prepared: Prepared, container: str) -> None:
        until = time.monotonic() + READY_WITHIN_S
        url, patience = f"{self._traffic}{choice.health}", Patience(early=prepared.early)
        loaded = f"{self._traffic}{prepared.loaded_path}" if prepared.loaded_path else ""
        while not (answer := _answer(url, choice.host, loaded)).works:
            state, now = inspect(container)[0]["State"], time.monotonic()
            if not state["Running"] or patience.ended(answer, now) or now > until:
                how = f"exited with code {state['ExitCode']}"
                if state["Running"]:
                    how = f"does not start to work: GET {url} is not answered with 200 but: {answer}"
                words = log_tail(container)
                step = advice(answer, choice.host, words) or "read the end of its log"
                raise EnvironmentProblemError(f"{choice.name} {how}", step, words)
            time.sleep(_POLL_S)

    def _endpoints(self, choice: Choice, container: str) -> Endpoints:
        url, token = self._chaos
        pid = first_process(container)
        return Endpoints(
            self._traffic + choice.prefix,
            "",
            url,
            token,
            "docker",
            balancer=choice.name,
            balancer_pid=pid,
            host=choice.host,
        )

    def _compose(self, *arguments: str, timeout_s: float = 30.0) -> str:
        result = self._runtime.compose(*arguments, timeout_s=timeout_s)
        if result.returncode != 0:
            raise up_problem(result.stderr, "")
        return result.stdout


def _answer(url: str, host: str, loaded: str = "") -> Answer:
    """Return the answer to one GET; `NOT_LOADED` if the URL `loaded` is given and does not answer 200 yet."""
    if loaded and not _answer(loaded, "").works:
        return NOT_LOADED
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with direct_opener().open(request, timeout=1) as answer:
            return Answer(answer.status)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers.get("Location", ""))
    except (OSError, http.client.HTTPException) as error:
        return Answer(problem=f"no answer ({error})")
