"""`lab bench`: benchmarks."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..advise.models import MODELS
from ..balancers.requirements import Level
from ..bench import check as bench_check
from ..bench import fault_latency as bench_faults
from ..bench import policies as bench_policies
from ..bench.policies.bench_record import Cell, Document
from ..bench.policies.formatting import agreement
from ..bench.policies.table import tables
from ..bench.proxy import bench_run as bench_proxy
from ..bench.proxy.closed_loop import parse_counts, parse_sizes
from ..bench.proxy.formatting import how
from ..bench.proxy.result_files import write as write_proxy
from ..bench.proxy.table import tables as proxy_tables
from ..compare.generated_block import ADVICE, splice
from ..compare.verification import as_document, rendered_subjects
from ..compare.verification import table as markdown_table
from ..errors import BadArgumentsError, ExitCode
from ..evidence.verdict import Verdict
from ..index.page import refresh
from ..runtime.docker_lab import DEFAULT_PROJECT
from .advise_verification import ALL_FAULTS, kinds, run_verification
from .common import AnyRuntimeOption, JsonOption, ProjectOption, message_console, print_json, running_lab, words

_RESULTS: Final = Path("results")
app = typer.Typer(
    help="Benchmarks of policies (simulated, compared with theory), proxies, fault injection, and checkers.",
    rich_markup_mode=None,
)


@app.command()
def policies(
    scenario: Annotated[list[str] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    policy: Annotated[list[str] | None, typer.Option(help="May be repeated. Default: all.")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Independent runs of each scenario.")] = 3,
    scale: Annotated[float, typer.Option(min=0.01, max=100, help="Multiply the measured time by this.")] = 1.0,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Simulations at a time.")] = os.cpu_count() or 1,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the results.")] = (_RESULTS / "bench-policies"),
    as_json: JsonOption = False,
) -> None:
    """Simulate every policy in every scenario with the real core: shares, p50 and p99, compared with theory.

    Writes bench.json, report.html and table.md.
    """
    wanted = bench_policies.Wanted(tuple(scenario or ()), tuple(policy or ()), seeds, scale, jobs)
    console = message_console(as_json)
    known_scenarios, known_policies = bench_policies.names()
    total = len(wanted.scenarios or known_scenarios) * len(wanted.policies or known_policies)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("simulating", total=total)

        def on_document(document: Document) -> None:
            if isinstance(document, Cell):
                progress.advance(task)

        found = bench_policies.run(wanted, on_document)
    written = bench_policies.write(found, out)
    _refresh_index(out)
    if as_json:
        print_json(json.loads(found.model_dump_json(by_alias=True)))
        return
    for table in tables(found):
        console.print(table, "")
    console.print("Each simulated value is followed by theory: = exact, ≈ in the limit, ≤ at most, ∞ overloaded.")
    console.print(agreement(found))
    console.print("written: " + " ".join(map(str, written)), soft_wrap=True)


@app.command()
def proxy(
    balancers: Annotated[
        str, typer.Option(help="Comma-separated. Default: all, our compiled build, a plain aiohttp proxy.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="64 connections, 3 rounds of 1 s: under a minute.")] = False,
    connections: Annotated[str, typer.Option(help="Comma-separated numbers. Default: 1,64,512.")] = "",
    bodies: Annotated[str, typer.Option(help="SENT:RECEIVED pairs. Default: 0B:64B,16KiB:64KiB.")] = "",
    rounds: Annotated[int, typer.Option(min=0, max=100, help="0: 5, or 3 with --quick.")] = 0,
    seconds: Annotated[
        int, typer.Option(min=0, max=600, help="Duration of each load in a round. 0: 2, or 1 with --quick.")
    ] = 0,
    idle: Annotated[int, typer.Option(min=-1, max=50_000, help="Idle connections; 0: none. -1: 5000, or 1000.")] = -1,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the results.")] = _RESULTS / "bench-proxy",
    as_json: JsonOption = False,
) -> None:
    """Measure the CPU time per request and the memory per idle connection of each balancer on one core.

    Body sizes after the first pair are run with the middle number of connections only. Writes bench.json and
    report.html.
    """
    base = bench_proxy.QUICK if quick else bench_proxy.Settings()
    settings = bench_proxy.Settings(
        contenders=tuple(name.strip() for name in balancers.split(",") if name.strip()),
        shapes=bench_proxy.shapes(parse_counts(connections), parse_sizes(bodies), base.shapes),
        rounds=rounds or base.rounds,
        seconds=seconds or base.seconds,
        idle=base.idle if idle < 0 else idle,
    )
    console = message_console(as_json)
    with console.status("starting") as status:
        report = asyncio.run(bench_proxy.bench(settings, status.update))
    written = write_proxy(report, out)
    _refresh_index(out)
    if as_json:
        print_json(report.as_json())
        return
    for table in proxy_tables(report):
        console.print(table, "")
    console.print(how(report))
    console.print("written: " + " ".join(map(str, written)), soft_wrap=True)


@app.command()
def advise(
    balancers: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(MODELS),
    settings: Annotated[str, typer.Option(help="Comma-separated: default, matched, tuned.")] = ",".join(Level),
    faults: Annotated[str, typer.Option(help="Comma-separated kinds of fault.")] = ALL_FAULTS,
    phases: Annotated[
        int, typer.Option(help="Runs of each, at so many phases of the check. 0, with --append: none.", min=0, max=50)
    ] = 4,
    seed: Annotated[int | None, typer.Option(help="Seed of the arrivals. Default: a new one.", min=0)] = None,
    results: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("results"),
    append: Annotated[
        Path | None, typer.Option(help="Add these runs to those in this folder, and judge all of them.")
    ] = None,
    write_markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write the table between the markers in this file.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how long clients see each fault, beside what `lab advise` predicts. Exit 1 if a prediction is exceeded.

    All of it is 5 balancers × 3 settings × 6 faults × 4 phases: 360 runs of about 15 s.
    """
    console = message_console(as_json)
    if not phases and append is None:
        raise BadArgumentsError("--phases 0 runs nothing", "add --append FOLDER to judge recorded runs again")
    subjects = rendered_subjects(words(balancers), words(settings))
    verified = run_verification(subjects, kinds(faults), phases, seed, results, console, append)
    if write_markdown:
        splice(write_markdown, markdown_table(verified.rows, verified.comparison), ADVICE)
    if as_json:
        print_json(as_document(verified.rows, verified.comparison))
    else:
        console.print(verified.text(), soft_wrap=True)
    raise typer.Exit(ExitCode.FAIL if verified.exceeded else ExitCode.PASS)


def _refresh_index(out: Path) -> None:
    """Write the index of the folder with the results again, unless the user chose a folder that has none."""
    refresh(out.parent, begin=out.parent == _RESULTS)


@app.command()
def check(
    records: Annotated[
        int, typer.Option(min=10_000, max=10_000_000, help="Requests in the synthetic run.")
    ] = 1_000_000,
    within_s: Annotated[float, typer.Option("--within-s", min=0.1, help="Exit 1 if it takes longer.")] = 20.0,
    within_mb: Annotated[float, typer.Option("--within-mb", min=1, help="Exit 1 if it takes more memory.")] = 500.0,
    as_json: JsonOption = False,
) -> None:
    """Measure time and memory of judging a long run. A million requests need 250 MB of disk."""
    console = message_console(as_json)
    with console.status(f"checking {records:,} requests"), tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        found = bench_check.bench(records, Path(folder))
    good = found.total_s <= within_s and found.peak_mb <= within_mb and found.verdict is Verdict.PASS
    if as_json:
        print_json(
            {**asdict(found), "total_s": found.total_s, "within_s": within_s, "within_mb": within_mb, "good": good}
        )
    else:
        console.print(
            f"{found.requests:,} requests ({found.history_bytes / 1e6:.0f} MB of history) judged {found.verdict}: "
            f"read {found.load_s:.1f} s + checked {found.judge_s:.1f} s = {found.total_s:.1f} s "
            f"(limit {within_s:g} s), {found.cpu_s:.1f} s of CPU, {found.peak_mb:.0f} MB (limit {within_mb:g} MB)",
            soft_wrap=True,
        )
    raise typer.Exit(ExitCode.PASS if good else ExitCode.FAIL)


@app.command()
def faults(
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Measured injections of each kind.")] = 5,
    runtime: AnyRuntimeOption = None,
    project: ProjectOption = DEFAULT_PROJECT,
    as_json: JsonOption = False,
) -> None:
    """Measure the time from order to effect of each fault in the running lab. Each fault is healed at once.

    Exit 1 if a median is above its limit.
    """
    _, endpoints = running_lab(runtime, project)
    console = message_console(as_json)
    with console.status("starting") as status:
        timings = asyncio.run(bench_faults.measure(endpoints, rounds, status.update))
    if as_json:
        print_json([timing.as_json() for timing in timings])
    else:
        for each in timings:
            verdict = "" if each.within else "  above the limit"
            console.print(
                f"{each.kind:<10} {each.mechanism:<16} median {each.median_s * 1000:6.0f} ms"
                f"  slowest {max(each.took_s) * 1000:6.0f} ms  limit {each.limit_s * 1000:.0f} ms{verdict}",
                soft_wrap=True,
            )
    if not all(timing.within for timing in timings):
        raise typer.Exit(1)
