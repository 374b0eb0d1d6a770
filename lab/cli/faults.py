"""`lab faults`: list, inject and heal by hand, through the chaos service of the running lab."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, cast

import aiohttp
import typer
from rich.table import Table

from lab.cli.common import AnyRuntimeOption, JsonOption, ProjectOption, answer, people, running
from lab.clients import ChaosClient
from lab.errors import BadArgumentsError, EnvironmentProblemError
from lab.runtime.docker import DEFAULT_PROJECT

app = typer.Typer(help="List, inject and heal faults by hand.", rich_markup_mode=None)

Document = dict[str, Any]
INJECT_WITHIN = aiohttp.ClientTimeout(total=30.0)
"""A fault is answered when it is verified; the first network helper of a day takes seconds to start."""


@app.command("list")
def list_faults(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """Targets, their faults, and what is possible on this host."""
    _, targets, faults, capabilities = _call(
        runtime_name, project, [("GET", "/healthz"), ("GET", "/targets"), ("GET", "/faults"), ("GET", "/capabilities")]
    )
    if as_json:
        answer({**targets, **faults, "capabilities": capabilities})
        return
    console = people(as_json)
    table = Table("target", "state", "addresses", "faults", box=None, pad_edge=False, header_style="dim")
    active = {fault["id"]: f"{fault['kind']} ({fault['id']})" for fault in faults["faults"]}
    for target in targets["targets"]:
        names = ", ".join(active.get(each, each) for each in target["faults"])
        table.add_row(target["name"], target["state"], " ".join(target["addresses"]), names or "none")
    console.print(table)
    kinds = capabilities["faults"].items()
    console.print("possible: " + ", ".join(kind for kind, each in kinds if each["possible"]))
    for kind, each in kinds:
        if not each["possible"]:
            console.print(f"not here: {kind} (missing: {each.get('missing', 'unknown')})")


@app.command()
def inject(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="kill, pause, delay, …")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A backend, such as api-1.")],
    duration: Annotated[str, typer.Option(help="With its unit: 5s. No fault without an end.")],
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Such as delay=1500ms.")] = None,
    allow_last: Annotated[bool, typer.Option("--allow-last", help="Even on the last healthy backend.")] = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Inject a fault; returns when it is verified. It heals by itself when its duration is over."""
    body = {
        "kind": kind,
        "target": target,
        "duration": duration,
        "params": _parameters(param or []),
        "allow_last": allow_last,
    }
    [record] = _call(runtime_name, project, [("POST", "/faults")], body)
    if as_json:
        answer(record)
        return
    people(as_json).print(f"{record['id']}: {kind} on {target} for {duration}: {record['evidence']}", soft_wrap=True)


@app.command()
def heal(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every fault of this lab.")] = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Heal faults now. Healing a healed one is no error."""
    if every == bool(ids):
        raise BadArgumentsError("name the faults to heal, or --all", "lab faults list")
    requests = [("POST", "/reset")] if every else [("DELETE", f"/faults/{each}") for each in ids or []]
    answers = _call(runtime_name, project, requests)
    healed = answers[0]["healed"] if every else [each["id"] for each in answers]
    if as_json:
        answer({"healed": healed})
    else:
        people(as_json).print(f"healed: {', '.join(healed)}" if healed else "there was nothing to heal")


def _parameters(pairs: list[str]) -> dict[str, str]:
    for pair in pairs:
        if "=" not in pair:
            raise BadArgumentsError(f"--param {pair!r} is not NAME=VALUE", "such as --param delay=1500ms")
    return dict(cast("tuple[str, str]", tuple(pair.split("=", 1))) for pair in pairs)


def _call(
    runtime_name: Any, project: str, requests: list[tuple[str, str]], body: Document | None = None
) -> list[Document]:
    """The answers of the chaos service, in order. Raises on the first that is an error."""
    _, endpoints = running(runtime_name, project)

    async def ask() -> list[Document]:
        async with aiohttp.ClientSession() as session:
            chaos = ChaosClient(session, endpoints)
            return [_good(*await chaos.call(method, path, body, INJECT_WITHIN)) for method, path in requests]

    return asyncio.run(ask())


def _good(status: int, document: Document) -> Document:
    if status < 400:
        return document
    detail = str(document.get("detail") or document)
    possible = ", ".join(map(str, document.get("possible") or []))
    if status < 500 and status != 401:
        raise BadArgumentsError(detail, f"possible: {possible}" if possible else "lab faults list")
    if status == 501:
        raise BadArgumentsError(detail, f"possible here: {possible}" if possible else "lab faults list")
    raise EnvironmentProblemError(f"the chaos service answered {status}: {detail}", "lab status")
