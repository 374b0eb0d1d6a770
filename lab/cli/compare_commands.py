"""`lab compare`: several balancers under the same faults."""

from __future__ import annotations

import os
import platform
import random
import re
import secrets
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ..balancers import ADAPTERS
from ..balancers.importing import write_changes
from ..balancers.selection import HEALTH_PATH
from ..compare import document, entries
from ..compare.attached_environment import AttachedEnvironment
from ..compare.configs import changes, told_once, write_configs
from ..compare.differences import contrasts
from ..compare.docker_environment import DockerEnvironment
from ..compare.document import Comparison
from ..compare.environment import Environment, LocalEnvironment
from ..compare.generated_block import ENTRIES, splice, splice_groups
from ..compare.page import write_page
from ..compare.runner import Entry, run_all, schedule
from ..compare.standard_scenarios import Group, expanded, scenario_file
from ..compare.table import difference_table, markdown, matrices, parts, remarks, table
from ..errors import BadArgumentsError, EnvironmentProblemError
from ..index.page import refresh
from ..output.terminal import Terminal
from ..runtime import Say
from ..runtime.selection import RuntimeName
from ..runtime.state_folder import state_root
from ..scenario.file_reader import load_scenario
from ..scenario.plan import Plan
from ..scenario.planner import make_plan
from . import candidates
from .common import ComparedRuntimeOption, JsonOption, keep_inside, message_console, print_json, words

MIXES = ("mixed", "get")
_HOST = re.compile(r"|[A-Za-z0-9_.\[\]:-]{1,255}")
"""Pattern of a Host header: at most 253 characters (RFC 1035), and none that could end a header line."""
_HEALTH = re.compile(r"/[!-~]{0,2000}")
"""Pattern of a path: printable ASCII without blanks, of a length that every server accepts."""
_PLACES = {"--results", "--append", "--markdown"}


def compare(
    balancers: Annotated[
        str, typer.Option(help="Comma-separated; `none` for only your own. Default: all; with --entry none.")
    ] = "",
    scenarios: Annotated[
        str,
        typer.Option(
            help="Comma-separated: faults, gray, deploys, scenarios of the library, or files.",
            autocompletion=candidates.scenario_list,
        ),
    ] = Group.FAULTS.value,
    settings: Annotated[str, typer.Option(help="Comma-separated: default, matched, tuned.")] = "matched",
    repeat: Annotated[int, typer.Option(help="Runs of each; the table shows median and range.", min=1, max=100)] = 1,
    mix: Annotated[str, typer.Option(help="mixed: as the scenario says; get: GETs only.")] = "mixed",
    seed: Annotated[int | None, typer.Option(help="Seed of plan and arrivals. Default: a new one.", min=0)] = None,
    runtime: ComparedRuntimeOption = RuntimeName.LOCAL,
    image: Annotated[
        list[str] | None, typer.Option(help="Docker: NAME=IMAGE, such as haproxy=haproxy:3.2, in place of our image.")
    ] = None,
    entry: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=[PROGRAM[@BINARY]:]FILE[,FILE…], NAME=PROGRAM[@BINARY], NAME=url:URL, NAME=cmd:COMMAND or "
            "NAME=lab:FILE (an attached project); "
            "the others are compared with the first one."
        ),
    ] = None,
    baseline: Annotated[str, typer.Option(help="Name of the entry with which the others are compared.")] = "",
    config: Annotated[
        list[str] | None, typer.Option(help="Your own configuration: [NAME=]FILE[,FILE…]; see --replace.")
    ] = None,
    replacing: Annotated[
        list[str] | None,
        typer.Option("--replace", help="Replace an address in your files: OLD=BACKEND_1, OLD=LISTEN, …"),
    ] = None,
    frontend: Annotated[
        str, typer.Option(help="Import: the frontend, site or entry point where requests enter, if there are several.")
    ] = "",
    pool: Annotated[
        str, typer.Option(help="Import: the backend, upstream, cluster or service to use, if there are several.")
    ] = "",
    show_changes: Annotated[
        Path | None,
        typer.Option(help="Write what the lab changes in imported files into this folder, and start nothing."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Host header of all requests, for configurations that forward only some names.")
    ] = "",
    health: Annotated[
        str, typer.Option(help="Path that answers 200 through your own balancer once it works.")
    ] = HEALTH_PATH,
    balancer_cmd: Annotated[str, typer.Option(help="Your own balancer; @LISTEN@ and @BACKENDS@ are filled in.")] = "",
    balancer_url: Annotated[str, typer.Option(help="Your own balancer that is already running on loopback.")] = "",
    backend_port: Annotated[
        list[int] | None, typer.Option(help="Repeat three times: a port to which --balancer-url forwards.")
    ] = None,
    results: Annotated[Path, typer.Option(help="Folder for the comparison.")] = Path("results"),
    append: Annotated[Path | None, typer.Option(help="Continue the comparison in this folder.")] = None,
    write_markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the short table between the markers in this file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run the same faults, plan and arrivals with several balancers, interleaved, and compare what clients observe."""
    console = message_console(as_json)
    if mix not in MIXES:
        raise BadArgumentsError(f"--mix {mix}: expected one of {', '.join(MIXES)}")
    started_here = any(re.match(r"[^=]*=(?:url|cmd):", word) for word in entry or [])
    environment = environment_for(runtime, image or [], bool(balancer_cmd or balancer_url or started_here))
    comparison, folder = begin_comparison(append, results, seed, mix, environment.name)
    plans = [_plan(name, comparison) for name in expanded(words(scenarios))]
    names = words(balancers) or ([] if entry else list(ADAPTERS))
    chosen = entries.from_adapters([] if names == ["none"] else names, words(settings), comparison)
    chosen += entries.named(entry or [], replacing or [], backend_port or [], environment.name)
    chosen += entries.from_files(config or [], replacing or [])
    chosen += [entries.from_command(balancer_cmd)] if balancer_cmd else []
    chosen += [entries.from_url(balancer_url, backend_port or [])] if balancer_url else []
    own = [with_requests(each, host, health) for each in chosen if each.settings == document.OWN]
    chosen = [each for each in chosen if each.settings != document.OWN] + own
    if not chosen:
        raise BadArgumentsError("no balancer to compare", "--balancers, --entry, --config or --balancer-url")
    entries.check_runtime(chosen, environment.name)
    chosen = entries.with_routes(chosen, frontend, pool)
    if show_changes is not None:
        _write_changes(chosen, show_changes, console)
        return
    for line in told_once([each.choice for each in chosen]):
        console.print(line, soft_wrap=True)
    entries.note_baseline(baseline, chosen, comparison)
    entries.note_sources(chosen, comparison)
    keep_entries_inside(chosen, environment, console.print)
    comparison.commands.append(command_line(sys.argv[1:]))
    first = 1 + max((each.repeat for each in comparison.results if _same(each, chosen, plans)), default=-1)
    with environment.set_up(console.print):
        folder.mkdir(parents=True, exist_ok=True)
        chosen = entries.with_versions(chosen, environment, comparison)
        write_configs(chosen, folder, [*comparison.sources])
        try:
            run_all(
                comparison, schedule(chosen, plans, range(first, first + repeat)), folder, environment, console.print
            )
        finally:  # also after an interruption, because the runs so far can be read and continued
            (folder / "compare.md").write_text(markdown(comparison), encoding="utf-8")
            write_page(comparison, folder)
            refresh(folder.parent, begin=append is None)
    if write_markdown:
        if comparison.baseline:
            splice(write_markdown, "\n".join(matrices(comparison).values()), ENTRIES)
        else:
            splice_groups(write_markdown, matrices(comparison))
    ran = any(result.measures for result in comparison.results)
    if as_json and ran:
        print_json({"folder": str(folder), **document.as_document(comparison)})
    elif not as_json:
        _show(console, comparison, folder)
    if not ran:
        raise EnvironmentProblemError("no balancer ran", f"{folder}/compare.md says why")


def _write_changes(chosen: Sequence[Entry], folder: Path, console: Terminal) -> None:
    choices = [each.choice for each in chosen if each.choice.pool]
    if not choices:
        raise BadArgumentsError("--show-changes: no files are imported", "add --config FILE without --replace")
    for choice in choices:
        own = folder / re.sub(r"[^\w.-]+", "-", choice.name).strip("-") if len(choices) > 1 else folder
        for line in (*changes(choice), *map(str, write_changes(choice.imported(), own))):
            console.print(line, soft_wrap=True)


def _show(console: Terminal, comparison: Comparison, folder: Path) -> None:
    if any(result.measures for result in comparison.results):
        for part in parts(comparison):
            console.print(table(part))
        if comparison.baseline:
            console.print(difference_table(comparison))
            for each in contrasts(comparison):
                console.print(each.sentence(), soft_wrap=True)
    for line in (line for each in remarks(comparison) for line in each.lines()):
        console.print(line, soft_wrap=True)
    console.print(f"{folder}/compare.html · compare.md · compare.json")


def command_line(arguments: Sequence[str]) -> str:
    """Return the command line without the options that name folders, which affect no result and may be private."""
    kept, skip = [], False
    for word in arguments:
        if not skip and word.split("=")[0] not in _PLACES:
            kept.append(word)
        skip = word in _PLACES
    return shlex.join(["lab", *kept])


def with_requests(entry: Entry, host: str, health: str) -> Entry:
    """Return the entry with the Host header and health path of its requests. Raise `BadArgumentsError`."""
    if _HOST.fullmatch(host) is None:
        raise BadArgumentsError(f"--host {host!r}: expected a name, optionally with a port", "--host app.example.com")
    if _HEALTH.fullmatch(health) is None:
        raise BadArgumentsError(f"--health {health!r}: expected a path", "--health /health")
    return replace(entry, choice=replace(entry.choice, host=host, health=health))


def keep_entries_inside(chosen: Sequence[Entry], environment: Environment, say: Say) -> None:
    """Put the lab into a separate network if it starts a user's balancer and no entry needs this machine's network."""
    files_or_commands = any(each.choice.files or each.choice.command for each in chosen)
    if not isinstance(environment, LocalEnvironment) or not files_or_commands:
        return
    needed = any(each.choice.url for each in chosen)
    keep_inside(say, "--balancer-url needs this machine's" if needed else "")


def environment_for(runtime: RuntimeName, images: Sequence[str], foreign: bool) -> Environment:
    """Return where the labs of a comparison run. `foreign`: some entry is a command or a running balancer.

    Raise `BadArgumentsError` if that runtime does not have it.
    """
    match runtime:
        case RuntimeName.LOCAL:
            if images:
                raise BadArgumentsError("--image is for --runtime docker", "leave it out, or add --runtime docker")
            return LocalEnvironment(state_root() / "compare")
        case RuntimeName.DOCKER:
            if foreign:
                raise BadArgumentsError(
                    "--balancer-cmd and --balancer-url are for --runtime local",
                    "use --config, or an --image with that program",
                )
            project = f"reroute-compare-{secrets.token_hex(3)}"  # its own project does not affect a running lab
            return DockerEnvironment(state_root() / "compare", project, entries.images(images))
        case RuntimeName.ATTACHED:
            return AttachedEnvironment()


def begin_comparison(
    append: Path | None, results: Path, seed: int | None, mix: str, runtime: str, name: str = "compare"
) -> tuple[Comparison, Path]:
    """Return a new comparison, or the one in the folder `append`, and its folder.

    Raise `BadArgumentsError` if that folder has no comparison that can be continued.
    """
    if append is None:
        now = datetime.now(UTC)
        number = random.SystemRandom().randrange(2**32) if seed is None else seed
        machine = f"{_processors()}, {platform.system()} {platform.release()}, Python {platform.python_version()}"
        folder = results / f"{now:%Y%m%d-%H%M%S}-{name}"
        return Comparison(number, mix, machine, now.isoformat(timespec="seconds"), runtime), folder
    comparison = document.read(append)
    if seed not in {None, comparison.seed} or mix != comparison.mix:
        raise BadArgumentsError(f"{append} has seed {comparison.seed} and mix {comparison.mix}", "use the same")
    if runtime != comparison.runtime:
        raise BadArgumentsError(f"{append} was made on runtime {comparison.runtime}", f"--runtime {comparison.runtime}")
    return comparison, append


def _plan(name: str, comparison: Comparison) -> Plan:
    path = scenario_file(name)
    plan = make_plan(load_scenario(path), path.stem, comparison.seed)
    if comparison.mix == "mixed":
        return plan
    gets = [each for each in plan.load.mix if each.method == "GET"]
    if not gets:
        raise BadArgumentsError(f"{name} sends no GET", "leave --mix out")
    whole = sum(each.share for each in gets)
    shares = tuple(replace(each, share=each.share / whole) for each in gets)
    return replace(plan, load=replace(plan.load, mix=shares))


def _same(result: document.Result, chosen: list[Entry], plans: list[Plan]) -> bool:
    rows = {(each.choice.name, each.settings) for each in chosen}
    return (result.balancer, result.settings) in rows and result.scenario in {plan.scenario for plan in plans}


def _processors() -> str:
    return f"{len(os.sched_getaffinity(0))} CPUs of {platform.machine()}"
