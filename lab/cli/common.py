"""What the commands share: their options, where they print, how they find a lab."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from enum import StrEnum
from typing import Annotated, Any

import typer

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..output.json_text import dumps
from ..output.terminal import Terminal, write
from ..processes.isolation.network import enter_own_network
from ..runtime import Member, Runtime, Say, ports
from ..runtime.docker_lab import DEFAULT_PROJECT, DockerRuntime
from ..runtime.local_lab import LocalRuntime
from ..runtime.state_folder import state_root
from ..services.endpoints import Endpoints


class RuntimeName(StrEnum):
    """Where a lab runs."""

    LOCAL = "local"
    DOCKER = "docker"


RuntimeOption = Annotated[
    RuntimeName, typer.Option("--runtime", help="Plain processes on this machine, or containers (docker compose).")
]
AnyRuntimeOption = Annotated[
    RuntimeName | None, typer.Option("--runtime", help="Default: whichever lab runs, the local one first.")
]
ProjectOption = Annotated[
    str, typer.Option("--project", envvar="COMPOSE_PROJECT_NAME", help="Compose project; runtime docker only.")
]
BalancerOption = Annotated[
    str | None,
    typer.Option(
        "--balancer-cmd",
        metavar="COMMAND",
        help="Starts another balancer than ours, with `--config FILE` appended; runtime local only.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; messages go to stderr.")]


def runtime(name: RuntimeName, project: str = DEFAULT_PROJECT, balancer_cmd: str | None = None) -> Runtime:
    """The runtime of that name.

    Raises `BadArgumentsError` where a port in the environment is none, or the balancer's command cannot be used.
    """
    for published in ports.PUBLISHED:
        ports.wanted(published)
    if balancer_cmd is None:
        return LocalRuntime(state_root()) if name is RuntimeName.LOCAL else DockerRuntime(project)
    if name is not RuntimeName.LOCAL:
        raise BadArgumentsError("--balancer-cmd is for --runtime local", "on docker, change the image in compose.yaml")
    lab = LocalRuntime(state_root(), balancer_command=_command(balancer_cmd))
    if lab.find() is not None:
        raise BadArgumentsError("--balancer-cmd cannot change the balancer of the lab that runs", "lab down")
    return lab


STAYS = "a lab that stays is to be reached"


def keep_inside(say: Say, problem: str = "") -> None:
    """Move this command into a network of its own, and say what is done instead where that has a `problem`."""
    if problem := problem or enter_own_network():
        say(f"your balancer runs in this machine's network ({problem}); what it listens on and connects to is watched")


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise BadArgumentsError(f"--balancer-cmd {text!r} is no command: {error}", "quote as for a shell") from error
    if not words or shutil.which(words[0]) is None:
        raise BadArgumentsError(f"--balancer-cmd {text!r}: expected a program that can be run", "check its path")
    return words


def running(name: RuntimeName | None, project: str) -> tuple[Runtime, Endpoints]:
    """The lab that runs. Raises `EnvironmentProblemError` where none does."""
    for candidate in [name] if name else list(RuntimeName):
        chosen = runtime(candidate, project)
        try:
            endpoints = chosen.find()
        except EnvironmentProblemError:
            if name:
                raise
            continue  # no Docker here: then no lab runs in it
        if endpoints is not None:
            return chosen, endpoints
    where = f" on runtime {name}" if name else ""
    raise EnvironmentProblemError(f"no lab is running{where}", f"lab up --runtime {name or RuntimeName.LOCAL}")


def remains(name: RuntimeName | None, project: str) -> tuple[RuntimeName, list[Member]] | None:
    """A lab of which something is left, though not enough to work with; None where there is nothing."""
    for candidate in [name] if name else list(RuntimeName):
        with contextlib.suppress(EnvironmentProblemError):
            if members := runtime(candidate, project).status():
                return candidate, members
    return None


def people(as_json: bool) -> Terminal:
    """Where to talk to people: stdout, unless a program reads that."""
    return Terminal(stderr=as_json, highlight=False, markup=False)


def answer(document: Any) -> None:
    """Print the one JSON document of a `--json` command."""
    write(dumps(document, indent=2) + "\n")
