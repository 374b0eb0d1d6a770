"""`lab faults monkey`: plan, start, replay, list and stop random faults."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..errors import BadArgumentsError, ExitCode
from ..output.json_text import loads
from ..runtime.docker_lab import DEFAULT_PROJECT
from .common import AnyRuntimeOption, JsonOption, ProjectOption, message_console, print_json
from .fault_calls import Chaos, Document, calls, pairs, stop_condition, with_chaos

app = typer.Typer(help="Random faults from a seed, at a rate, within a budget.", rich_markup_mode=None)

LOOK_EVERY_S = 0.3
DurationOption = Annotated[str, typer.Option(help="Total duration, such as 5min; every fault has ended by then.")]
RateOption = Annotated[str, typer.Option(help="How many faults begin on average, such as 6/min.")]
FaultOption = Annotated[
    list[str],
    typer.Option(
        "--fault",
        metavar="KIND:DURATION[-LONGEST][:NAME=VALUE,…]",
        help="A kind that may be chosen, such as kill:2s or delay:2s-8s:delay=300ms. May be repeated.",
    ),
]
RoleOption = Annotated[str | None, typer.Option(help="Only backends of this service.")]
LabelOption = Annotated[str | None, typer.Option(metavar="KEY[=VALUE]", help="Only backends with this label.")]
TargetOption = Annotated[list[str] | None, typer.Option("--target", help="Only this backend; may be repeated.")]
BudgetOption = Annotated[int, typer.Option(help="Most faults at the same time.", min=1)]
QuietOption = Annotated[
    list[str] | None, typer.Option(metavar="BEGIN-END", help="No faults in this time, such as 60s-90s.")
]
SeedOption = Annotated[int | None, typer.Option(help="The same seed makes the same plan. Default: a new one.", min=0)]
LastOption = Annotated[bool, typer.Option("--allow-last", help="Permit faults on the last healthy backend.")]
StopOption = Annotated[
    str | None, typer.Option(metavar="'URL READ OP VALUE'", help="End it as soon as this is true; see `faults inject`.")
]
DetachOption = Annotated[bool, typer.Option("--detach", help="Return at once. Default: stay until it ends.")]


@app.command()
def plan(
    duration: DurationOption,
    rate: RateOption,
    fault: FaultOption,
    role: RoleOption = None,
    label: LabelOption = None,
    target: TargetOption = None,
    budget: BudgetOption = 1,
    quiet: QuietOption = None,
    seed: SeedOption = None,
    allow_last: LastOption = False,
    stop_when: StopOption = None,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Print what a monkey would do to this lab, without doing it. With --json: a file for `replay`."""
    order = _order(duration, rate, fault, role, label, target, budget, quiet, seed, allow_last, stop_when)
    [planned] = calls(runtime_name, project, [("POST", "/monkeys?dry_run=1")], order)
    if as_json:
        print_json(planned)
        return
    message_console(as_json).print(_table(planned))


@app.command()
def start(
    duration: DurationOption,
    rate: RateOption,
    fault: FaultOption,
    role: RoleOption = None,
    label: LabelOption = None,
    target: TargetOption = None,
    budget: BudgetOption = 1,
    quiet: QuietOption = None,
    seed: SeedOption = None,
    allow_last: LastOption = False,
    stop_when: StopOption = None,
    detach: DetachOption = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Start a monkey. Ctrl-C ends it and heals its faults."""
    order = _order(duration, rate, fault, role, label, target, budget, quiet, seed, allow_last, stop_when)
    _run_monkey(order, detach, runtime_name, project, as_json)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="PLAN", help="What `plan --json` printed; - reads it from stdin.")],
    detach: DetachOption = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Carry out a printed plan, step by step."""
    try:
        document = loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadArgumentsError(f"{file}: {error}", "lab faults monkey plan … --json > plan.json") from error
    if not isinstance(document, dict) or "steps" not in document:
        raise BadArgumentsError(f"{file} is not a plan", "lab faults monkey plan … --json > plan.json")
    _run_monkey(document, detach, runtime_name, project, as_json)


@app.command("list")
def list_monkeys(
    runtime_name: AnyRuntimeOption = None, project: ProjectOption = DEFAULT_PROJECT, as_json: JsonOption = False
) -> None:
    """List monkeys and their results so far."""
    [known] = calls(runtime_name, project, [("GET", "/monkeys")])
    if as_json:
        print_json(known)
        return
    for monkey in known["monkeys"]:
        message_console(as_json).print(_describe(monkey))
    if not known["monkeys"]:
        message_console(as_json).print("there is no monkey")


@app.command()
def stop(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID…")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are running.")] = False,
    runtime_name: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """End monkeys and heal their faults. A monkey that has ended already is not an error."""
    if every == bool(ids):
        raise BadArgumentsError("name the monkeys to stop, or --all", "lab faults monkey list")

    async def work(chaos: Chaos) -> list[Document]:
        known = (await chaos.call("GET", "/monkeys"))["monkeys"] if every else []
        chosen = ids or [monkey["id"] for monkey in known if monkey["state"] == "running"]
        return [await chaos.call("DELETE", f"/monkeys/{each}") for each in chosen]

    stopped = with_chaos(runtime_name, project, work)
    if as_json:
        print_json({"stopped": [monkey["id"] for monkey in stopped]})
        return
    for monkey in stopped:
        message_console(as_json).print(_describe(monkey))


# --- orders ---
def _order(
    duration: str,
    rate: str,
    faults: list[str],
    role: str | None,
    label: str | None,
    targets: list[str] | None,
    budget: int,
    quiet: list[str] | None,
    seed: int | None,
    allow_last: bool,
    stop_when: str | None,
) -> Document:
    filters = {"role": role, "label": label, "names": targets}
    return {
        "duration": duration,
        "rate": rate,
        "faults": [_choice(text) for text in faults],
        "targets": {name: value for name, value in filters.items() if value is not None},
        "budget": budget,
        "quiet": [_quiet(text) for text in quiet or []],
        "seed": seed,
        "allow_last": allow_last,
        "stop_when": stop_condition(stop_when),
    }


def _choice(text: str) -> Document:
    kind, _, rest = text.partition(":")
    lasts, _, params = rest.partition(":")
    shortest, _, longest = lasts.partition("-")
    if not kind or not shortest:
        raise BadArgumentsError(f"--fault {text!r} is not KIND:DURATION", "such as --fault kill:2s")
    choice: Document = {"kind": kind, "duration": shortest, "up_to": longest or None}
    return choice | {"params": pairs("--fault", params.split(",")) if params else {}}


def _quiet(text: str) -> Document:
    begin, dash, end = text.partition("-")
    if not dash:
        raise BadArgumentsError(f"--quiet {text!r} is not BEGIN-END", "such as --quiet 60s-90s")
    return {"begin": begin, "end": end}


# --- running ---
def _run_monkey(body: Document, detach: bool, runtime_name: Any, project: str, as_json: bool) -> None:
    async def work(chaos: Chaos) -> Document:
        monkey = await chaos.call("POST", "/monkeys", body)
        return monkey if detach else await _until_ended(chaos, monkey, message_console(as_json))

    monkey = with_chaos(runtime_name, project, work)
    print_json(monkey) if as_json else message_console(as_json).print(_describe(monkey))
    raise typer.Exit(ExitCode.FAIL if monkey["ended_by"] == "stop_condition" else ExitCode.PASS)


async def _until_ended(chaos: Chaos, monkey: Document, console: Console) -> Document:
    console.print(
        f"monkey {monkey['id']}, seed {monkey['plan']['seed']}: {len(monkey['plan']['steps'])} faults planned"
    )
    began = time.monotonic()
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("monkey", total=monkey["plan"]["duration_s"])
            while monkey["state"] == "running":
                await asyncio.sleep(LOOK_EVERY_S)
                monkey = await chaos.call("GET", f"/monkeys/{monkey['id']}")
                done = sum(outcome["fault"] is not None for outcome in monkey["outcomes"])
                progress.update(bar, completed=time.monotonic() - began, description=f"monkey: {done} faults")
    except asyncio.CancelledError:
        await chaos.call("DELETE", f"/monkeys/{monkey['id']}")
        console.print(f"interrupted; monkey {monkey['id']} ended, its faults healed")
        raise
    return monkey


def _describe(monkey: Document) -> str:
    done = sum(outcome["fault"] is not None for outcome in monkey["outcomes"])
    refused = [outcome for outcome in monkey["outcomes"] if outcome["refused"]]
    words = [f"{monkey['id']}: {monkey['state']}", f"by {monkey['ended_by']}" if monkey["ended_by"] else ""]
    words.append(f"· {done} of {len(monkey['plan']['steps'])} faults done, {len(refused)} refused")
    reasons = [f"\n  step {outcome['step']}: {outcome['refused']}" for outcome in refused]
    return (
        " ".join(word for word in words if word)
        + (f" · {monkey['reason']}" if monkey["reason"] else "")
        + "".join(reasons)
    )


def _table(planned: Document) -> Table:
    table = Table("at", "fault", "target", "for", "with", box=None, pad_edge=False, header_style="dim")
    table.title = f"seed {planned['seed']}, {planned['duration_s']:g} s, {len(planned['steps'])} faults"
    for step in planned["steps"]:
        params = ", ".join(f"{name}={value}" for name, value in step["params"].items())
        table.add_row(f"{step['at_s']:.1f} s", step["kind"], step["target"], step["duration"], params)
    return table
