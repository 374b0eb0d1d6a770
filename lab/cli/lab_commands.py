"""`lab up`, `lab down`, `lab status`."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Table

from ..errors import EnvironmentProblemError, ExitCode
from ..runtime import Member, Runtime
from ..runtime.docker_lab import DEFAULT_PROJECT
from ..services.endpoints import Endpoints
from .common import (
    STAYS,
    AnyRuntimeOption,
    BalancerOption,
    JsonOption,
    ProjectOption,
    RuntimeName,
    RuntimeOption,
    answer,
    keep_inside,
    people,
    remains,
    running,
    runtime,
)


def up(
    runtime_name: RuntimeOption = RuntimeName.LOCAL,
    project: ProjectOption = DEFAULT_PROJECT,
    balancer_cmd: BalancerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring up a lab that stays until `lab down`."""
    console = people(as_json)
    place = runtime(runtime_name, project, balancer_cmd)
    if balancer_cmd is not None:
        keep_inside(console.print, STAYS)
    endpoints = place.up(console.print)
    if as_json:
        answer(_places(endpoints))
        return
    console.print(f"the lab is up ({endpoints.runtime}): every member works")
    for name, url in _places(endpoints).items():
        console.print(f"  {name:<8} {url}")
    console.print(f"  next: lab run kill --runtime {endpoints.runtime}")


def down(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """Stop the lab and everything of it. No lab to stop is no error."""
    console = people(as_json)
    stopped = []
    for name in [runtime_name] if runtime_name else list(RuntimeName):
        try:
            if runtime(name, project).down(console.print):
                stopped.append(str(name))
        except EnvironmentProblemError:
            if runtime_name:
                raise
    if as_json:
        answer({"stopped": stopped})
    else:
        console.print(f"stopped: {', '.join(stopped)}" if stopped else "no lab was running")


def status(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """What runs, and where. With --json, exit 1 where no lab runs; exit 1 also where one runs in part."""
    try:
        chosen, endpoints = running(runtime_name, project)
    except EnvironmentProblemError as error:
        if left := remains(runtime_name, project):
            _show_remains(*left, as_json)
            raise typer.Exit(ExitCode.FAIL) from error
        if not as_json:
            raise
        answer({"running": False, "detail": str(error)})
        raise typer.Exit(ExitCode.FAIL) from error
    _show(chosen, endpoints, as_json)


def _show(chosen: Runtime, endpoints: Endpoints, as_json: bool) -> None:
    members = chosen.status()
    if as_json:
        document = {"running": True, **_places(endpoints), "members": [asdict(member) for member in members]}
        answer(document)
        return
    people(as_json).print(_table(members))


def _show_remains(name: RuntimeName, members: list[Member], as_json: bool) -> None:
    down = [f"{member.name} {member.state}" for member in members if not member.state.startswith("running")]
    detail = f"the lab on runtime {name} runs in part: {', '.join(down) or 'members are missing'}"
    if as_json:
        answer({"running": False, "detail": detail, "members": [asdict(member) for member in members]})
        return
    console = people(as_json)
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
