"""`lab faults`: list, inject and heal by hand, through the chaos service of the running lab."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer
from rich.table import Table

from ..errors import BadArgumentsError, ExitCode
from ..runtime.docker_lab import DEFAULT_PROJECT
from . import candidates, monkey_commands
from .common import AnyRuntimeOption, JsonOption, ProjectOption, message_console, print_json
from .fault_calls import Chaos, Document, calls, pairs, stop_condition, with_chaos
from .fault_kinds_command import WithParameters, kinds
from .fault_watch import describe_fault, exit_code, inject_and_watch, records_of

app = typer.Typer(help="List, inject and heal faults by hand.", rich_markup_mode=None)
app.add_typer(monkey_commands.app, name="monkey")
app.command()(kinds)

Names = Annotated[list[str] | None, typer.Argument(metavar="TARGET…", help="Backends, such as api-1.")]
StopOption = Annotated[
    str | None,
    typer.Option(
        metavar="'URL READ OP VALUE'",
        help="Heal as soon as this is true, such as 'http://127.0.0.1:8081/readyz status != 200'. READ is status, "
        'json:/pointer or metric:name{label="value"}; http on loopback or on the lab\'s own services only.',
    ),
]


@app.command("list")
def list_faults(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """List targets, their faults, and what is possible on this host."""
    targets, faults, capable = calls(
        runtime_name, project, [("GET", "/targets"), ("GET", "/faults"), ("GET", "/capabilities")]
    )
    if as_json:
        print_json({**targets, **faults, "capabilities": capable})
        return
    console = message_console(as_json)
    table = Table("target", "state", "addresses", "faults", box=None, pad_edge=False, header_style="dim")
    active = {fault["id"]: f"{fault['kind']} ({fault['id']})" for fault in faults["faults"]}
    for target in targets["targets"]:
        names = ", ".join(active.get(each, each) for each in target["faults"])
        table.add_row(target["name"], target["state"], " ".join(target["addresses"]), names or "none")
    console.print(table)
    kinds = capable["faults"].items()
    console.print("possible: " + ", ".join(kind for kind, each in kinds if each["possible"]))
    for kind, each in kinds:
        if not each["possible"]:
            console.print(f"not possible here: {kind} (missing: {each.get('missing', 'unknown')})")


@app.command()
def capabilities(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """List the faults that are possible on this host with their mechanism, and what the others lack."""
    [capable] = calls(runtime_name, project, [("GET", "/capabilities")])
    if as_json:
        print_json(capable)
        return
    table = Table("fault", "possible", "mechanism", "missing", box=None, pad_edge=False, header_style="dim")
    for kind, each in capable["faults"].items():
        table.add_row(kind, "yes" if each["possible"] else "no", each.get("mechanism") or "", each.get("missing") or "")
    message_console(as_json).print(table)


@app.command(cls=WithParameters)
def inject(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="kill, pause, delay, …: see `lab faults kinds`.", autocompletion=candidates.kinds
        ),
    ],
    duration: Annotated[str, typer.Option(help="Duration with its unit, such as 5s.")],
    names: Names = None,
    role: Annotated[str | None, typer.Option(help="Instead of names: all backends of this service.")] = None,
    label: Annotated[str | None, typer.Option(metavar="KEY[=VALUE]", help="Only those with this label.")] = None,
    pick: Annotated[int | None, typer.Option("--random", help="Choose this many of them at random.", min=1)] = None,
    percent: Annotated[str | None, typer.Option(help="Choose this share of them, such as 50%, rounded up.")] = None,
    all_but_one: Annotated[bool, typer.Option("--all-but-one", help="All of them but one.")] = False,
    seed: Annotated[int | None, typer.Option(help="Makes the choice repeatable.", min=0)] = None,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Such as delay=1500ms; listed below.")
    ] = None,
    allow_last: Annotated[bool, typer.Option("--allow-last", help="Permit it on the last healthy backend.")] = False,
    stop_when: StopOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and print what would happen.")] = False,
    wait: Annotated[
        bool | None,
        typer.Option(
            "--wait/--detach", help="Stay until it is healed, or return at once. Default: wait, with --json detach."
        ),
    ] = None,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Inject a fault and show it until it is healed; Ctrl-C heals it. With --detach, return when it is verified; it is
    healed when its duration is over. Exit 2 if it had no effect, 1 if its stop condition ended it."""
    choice: Document = {"role": role, "label": label, "random": pick, "percent": percent, "seed": seed}
    order = {
        "kind": kind,
        "target": _target(names or [], choice | {"all_but_one": all_but_one or None}),
        "duration": duration,
        "params": pairs("--param", param or []),
        "allow_last": allow_last,
        "stop_when": stop_condition(stop_when),
    }
    console = message_console(as_json)
    if dry_run:
        [preview] = calls(runtime_name, project, [("POST", "/faults?dry_run=1")], order)
        print_json(preview) if as_json else console.print(_foreseen(preview), soft_wrap=True)
        return
    if wait is None:
        wait = not as_json

    async def work(chaos: Chaos) -> tuple[Document, list[Document]]:
        if wait:
            records = await inject_and_watch(chaos, order, message_console(as_json))
            return (records[0] if isinstance(order["target"], str) else {"faults": records}), records
        placed = await chaos.call("POST", "/faults", order)
        return placed, records_of(placed)

    placed, records = with_chaos(runtime_name, project, work)
    if as_json:
        print_json(placed)
    elif not wait:
        for record in records:
            console.print(describe_fault(record), soft_wrap=True)
    raise typer.Exit(exit_code(records))


@app.command()
def heal(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every fault of this lab, and its monkey.")] = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Heal faults now. A fault that is healed already is not an error; one that cannot be healed is (exit 255)."""
    if every == bool(ids):
        raise BadArgumentsError("name the faults to heal, or --all", "lab faults list")
    requests = [("POST", "/reset")] if every else [("DELETE", f"/faults/{quote(each, safe='')}") for each in ids or []]
    *answers, after = calls(runtime_name, project, [*requests, ("GET", "/faults")])
    healed = answers[0]["healed"] if every else [each["id"] for each in answers if each["state"] == "healed"]
    owed = [
        each["id"] for each in after["faults"] if each["state"] == "failed" and (every or each["id"] in (ids or []))
    ]
    if as_json:
        print_json({"healed": healed, "failed": owed})
    else:
        message_console(as_json).print(f"healed: {', '.join(healed)}" if healed else "nothing to heal")
    if owed:
        message_console(True).print(f"not healed yet, retried every 5 s: {', '.join(owed)}")
        raise typer.Exit(ExitCode.INTERNAL)


def _target(names: list[str], choice: Document) -> str | Document:
    """Return a single name as it is, and everything else as a selection."""
    asked = {name: value for name, value in choice.items() if value is not None}
    if len(names) == 1 and not asked:
        return names[0]
    if not names and not asked:
        raise BadArgumentsError("name a target or select some", "such as api-1, --role api, --random 1")
    return {"names": names, **asked} if names else asked


def _foreseen(preview: Document) -> str:
    seed = f" (seed {preview['seed']})" if preview["seed"] is not None else ""
    how = f" by {preview['mechanism']}" if preview["mechanism"] else ""
    where = ", ".join(preview["targets"])
    return f"would inject {preview['kind']}{how} on {where}{seed} for {preview['duration_s']:g}s; nothing was changed"
