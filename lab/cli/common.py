"""Shared by all commands: options, output, and finding the running lab."""

from __future__ import annotations

import contextlib
import textwrap
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import EnvironmentProblemError
from ..output.json_text import dumps
from ..output.terminal import Terminal, write
from ..processes.isolation.network import enter_own_network
from ..runtime import Member, Runtime, Say
from ..runtime.selection import RuntimeName, runtime, searched
from ..services.endpoints import Endpoints

RuntimeOption = Annotated[
    RuntimeName | None,
    typer.Option(
        "--runtime",
        help="Plain processes on this machine, containers (docker compose), or the project of lab.yaml. "
        "Default: attached if there is a lab.yaml here, else local.",
    ),
]
ComparedRuntimeOption = Annotated[
    RuntimeName,
    typer.Option(
        "--runtime",
        help="Plain processes on this machine, containers (docker compose), or attached projects "
        "(--entry NAME=lab:FILE).",
    ),
]
AnyRuntimeOption = Annotated[
    RuntimeName | None,
    typer.Option(
        "--runtime", help="Default: the project of lab.yaml if there is one here, else the lab that is running."
    ),
]
ProjectOption = Annotated[
    str, typer.Option("--project", envvar="COMPOSE_PROJECT_NAME", help="Compose project; runtime docker only.")
]
BalancerOption = Annotated[
    str | None,
    typer.Option(
        "--balancer-cmd",
        metavar="COMMAND",
        help="Start this balancer in place of ours, with `--config FILE` appended; runtime local only.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; messages go to stderr.")]

INDENT = " " * 4

STAYS = "a lab that keeps running must be reachable"


def keep_inside(say: Say, problem: str = "") -> None:
    """Move this command into a separate network.

    If that is not possible, or there is a `problem`, tell the user that sockets are watched instead.
    """
    if problem := problem or enter_own_network():
        say(f"your balancer runs in this machine's network ({problem}); its sockets are watched")


def running_lab(name: RuntimeName | None, project: str) -> tuple[Runtime, Endpoints]:
    """Return the running lab. Raise `EnvironmentProblemError` if none is running."""
    for candidate in searched(name):
        chosen = runtime(candidate, project)
        try:
            endpoints = chosen.find()
        except EnvironmentProblemError:
            if name:
                raise
            continue  # no lab can run in Docker if Docker is missing
        if endpoints is not None:
            return chosen, endpoints
    where = f" on runtime {name}" if name else ""
    raise EnvironmentProblemError(f"no lab is running{where}", f"lab up --runtime {searched(name)[0]}")


def partial_lab(name: RuntimeName | None, project: str) -> tuple[RuntimeName, list[Member]] | None:
    """Return the members of a lab that runs only in part, or None if there are none."""
    for candidate in searched(name):
        with contextlib.suppress(EnvironmentProblemError):
            if members := runtime(candidate, project).status():
                return candidate, members
    return None


def words(text: str) -> list[str]:
    """Return the words of a comma-separated option."""
    return [word.strip() for word in text.split(",") if word.strip()]


def message_console(as_json: bool) -> Terminal:
    """Return the console for messages to people: stdout, or stderr if stdout carries a JSON document."""
    return Terminal(stderr=as_json, highlight=False, markup=False)


def print_json(document: Any) -> None:
    """Print the JSON document of a `--json` command."""
    write(dumps(document, indent=2) + "\n")


def print_paragraph(
    console: Console, text: str, *, first: str = INDENT, later: str = INDENT, style: str | None = None
) -> None:
    """Print text with its first and its later lines indented. In a pipe, it remains one line."""
    lines = textwrap.wrap(text, console.width, initial_indent=first, subsequent_indent=later)
    console.print("\n".join(lines) if console.is_terminal else first + text, style=style, soft_wrap=True)
