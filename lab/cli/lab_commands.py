"""`lab up`, `lab down`, `lab status`."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table

from ..errors import EnvironmentProblemError, ExitCode
from ..runtime import Member, Runtime
from ..runtime.docker_lab import DEFAULT_PROJECT
from ..runtime.selection import RuntimeName, runtime, searched
from ..services.endpoints import Endpoints
from .common import (
    STAYS,
    AnyRuntimeOption,
    BalancerOption,
    JsonOption,
    ProjectOption,
    RuntimeOption,
    keep_inside,
    message_console,
    partial_lab,
    print_json,
    running_lab,
)


def up(
    runtime_name: RuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    balancer_cmd: BalancerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a lab that runs until `lab down`."""
    console = message_console(as_json)
    lab_runtime = runtime(searched(runtime_name)[0], project, balancer_cmd)
    if balancer_cmd is not None:
        keep_inside(console.print, STAYS)
    endpoints = lab_runtime.up(console.print)
    if as_json:
        print_json(_places(endpoints))
        return
    console.print(f"the lab is up ({endpoints.runtime}): every member responds")
    for name, url in _places(endpoints).items():
        console.print(f"  {name:<8} {url}")
    console.print(f"  next: lab run kill --runtime {endpoints.runtime}")


def down(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """Stop the lab and all its parts. It is not an error if no lab is running."""
    console = message_console(as_json)
    stopped = []
    for name in searched(runtime_name):
        try:
            if runtime(name, project).down(console.print):
                stopped.append(str(name))
        except EnvironmentProblemError:
            if runtime_name:
                raise
    if as_json:
        print_json({"stopped": stopped})
    else:
        console.print(f"stopped: {', '.join(stopped)}" if stopped else "no lab was running")


def status(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """Show the members of the running lab. Exit 1 if only a part of it runs; with --json, also if no lab is running."""
    try:
        chosen, endpoints = running_lab(runtime_name, project)
    except EnvironmentProblemError as error:
        if left := partial_lab(runtime_name, project):
            _show_remains(*left, as_json)
            raise typer.Exit(ExitCode.FAIL) from error
        if not as_json:
            raise
        print_json({"running": False, "detail": str(error)})
        raise typer.Exit(ExitCode.FAIL) from error
    _show(chosen, endpoints, as_json)


def _show(chosen: Runtime, endpoints: Endpoints, as_json: bool) -> None:
    members = chosen.status()
    if as_json:
        document = {"running": True, **_places(endpoints), "members": [asdict(member) for member in members]}
        print_json(document)
        return
    message_console(as_json).print(_table(members))


def _show_remains(name: RuntimeName, members: list[Member], as_json: bool) -> None:
    down = [f"{member.name} {member.state}" for member in members if not member.state.startswith("running")]
    detail = f"only a part of the lab on runtime {name} is running: {', '.join(down) or 'members are missing'}"
    if as_json:
        print_json({"running": False, "detail": detail, "members": [asdict(member) for member in members]})
        return
    console = message_console(as_json)
    console.print(_table(members))
    console.print(f"{detail}\n  next: lab up --runtime {name}, or lab down --runtime {name}", soft_wrap=True)


def _table(members: list[Member]) -> Table:
    table = Table("member", "role", "state", "address", box=None, pad_edge=False, header_style="dim")
    for member in members:
        table.add_row(member.name, member.role, member.state, member.address)
    return table


def _places(endpoints: Endpoints) -> dict[str, str]:
    return {
        "runtime": endpoints.runtime,
        "traffic": endpoints.traffic,
        "admin": endpoints.admin,
        "chaos": endpoints.chaos,
    }
