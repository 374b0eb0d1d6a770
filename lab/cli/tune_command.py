"""`lab tune`: the fewest changes of a user's own file that meet a goal, checked by runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..advise.models import MODELS
from ..advise.prediction import Situation
from ..balancers import adapter as find_adapter
from ..balancers import adapters
from ..balancers.importing import can_import, collect, guess
from ..balancers.own_files import write as write_text
from ..errors import BadArgumentsError, ExitCode
from ..output.inert import inert
from ..output.terminal import write
from ..scenario.units import parse_duration, parse_rate, parse_share
from ..tune.document import as_document
from ..tune.goal import parse_goal, parse_limit
from ..tune.patch import Patch, patch
from ..tune.tuner import Request, tune
from .advise_commands import parsed
from .common import JsonOption, message_console, print_json
from .tune_verification import verify_tuning
from .tune_view import show


def tune_command(
    files: Annotated[list[str], typer.Argument(help="Your configuration, main file first.")],
    goal: Annotated[
        list[str],
        typer.Option(help="FAULT: MEASURE <= VALUE, such as 'pause: reroute <= 300ms'. May be repeated."),
    ],
    limit: Annotated[
        list[str] | None,
        typer.Option(help="MEASURE <= VALUE, such as 'checks <= 20/s a backend'. May be repeated."),
    ] = None,
    adapter: Annotated[str, typer.Option(help="The program, if its files do not tell: haproxy, nginx, …")] = "",
    frontend: Annotated[str, typer.Option(help="Name of the listener, if there are several.")] = "",
    pool: Annotated[str, typer.Option(help="Name of the pool of servers, if there are several.")] = "",
    slowest_response: Annotated[
        str,
        typer.Option(
            help="No time-out of a response is set below this. Default: 1s, or the present time-out if it is lower."
        ),
    ] = "",
    longest_ejection: Annotated[
        str,
        typer.Option(
            help="Live traffic takes no server out for longer than this. Default: 10s, or the present time if longer."
        ),
    ] = "",
    check_path: Annotated[
        str, typer.Option(help="Path of your servers' health check, so that checks may be added where there are none.")
    ] = "",
    rate: Annotated[str, typer.Option(help="Requests to the pool.")] = "200/s",
    posts: Annotated[str, typer.Option(help="Share of the requests that are not idempotent.")] = "10%",
    outage: Annotated[str, typer.Option(help="How long a server fails.")] = "60s",
    drain: Annotated[str, typer.Option(help="How long a server that says it is leaving still answers.")] = "5s",
    client_timeout: Annotated[str, typer.Option(help="How long clients wait.")] = "10s",
    patch_file: Annotated[
        Path | None, typer.Option("--write", help="Write the patch into this file. Your own files stay as they are.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Run the goals' faults with the original and the tuned files.")
    ] = True,
    repeat: Annotated[int, typer.Option(help="Runs of each fault with each file.", min=1, max=100)] = 6,
    seed: Annotated[int | None, typer.Option(help="Seed of plan and arrivals. Default: a new one.", min=0)] = None,
    results: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Find the fewest changes of a configuration that meet your goals, and check them by runs.

    Exit codes: 0 every goal is met, 1 a goal cannot be met or was not met when measured (the best is shown), 254 bad
    arguments or files, 255 the check by runs was not possible.
    """
    console = message_console(as_json)
    given = Situation(
        servers=1,
        rate_per_s=parsed(parse_rate, "--rate", rate),
        post_share=parsed(parse_share, "--posts", posts),
        outage_s=parsed(parse_duration, "--outage", outage),
        drain_s=parsed(parse_duration, "--drain", drain),
        client_timeout_s=parsed(parse_duration, "--client-timeout", client_timeout),
    )
    request = Request(
        program="",
        files=(),
        situation=given,
        goals=tuple(map(parse_goal, goal)),
        limits=tuple(map(parse_limit, limit or ())),
        frontend=frontend,
        pool=pool,
        slowest_response_s=parsed(parse_duration, "--slowest-response", slowest_response) if slowest_response else None,
        longest_ejection_s=parsed(parse_duration, "--longest-ejection", longest_ejection) if longest_ejection else None,
        check_path=_path(check_path),
    )
    request = _with_files(request, files, adapter)
    console.print(f"searching among the settings of {request.program} …")
    tuning = tune(request)
    changes = patch(tuning.before.texts, tuning.after.texts)
    if patch_file is not None:
        _write(changes, patch_file, tuning.before.texts)
    show(tuning, console)
    if changes.text and not as_json:
        write("\n" + inert(changes.text, keep="\n\t"))  # rich would replace tabs, and the text could not be applied
    if patch_file is not None and changes.text:
        console.print(f"{patch_file} · {changes.command(str(patch_file))}", soft_wrap=True)
    document: dict[str, Any] = as_document(tuning, changes)
    met = tuning.met
    if verify and tuning.changes:
        verified = verify_tuning(tuning, repeat, seed, results, console)
        document["measured"] = verified.document()
        met = met and verified.met
    if as_json:
        print_json(document)
    raise typer.Exit(ExitCode.PASS if met else ExitCode.FAIL)


def _with_files(request: Request, words: list[str], adapter: str) -> Request:
    """Return the request with program and files. Raise `BadArgumentsError` if the program cannot be told or read."""
    name = adapter or guess(words)
    if not name:
        raise BadArgumentsError(
            f"cannot tell which balancer {words[0]} is for", f"--adapter, with one of {', '.join(adapters())}"
        )
    own = find_adapter(name).own_files
    if own is None or not can_import(own) or name not in MODELS:
        raise BadArgumentsError(f"the lab cannot tune files of {name}", f"it tunes those of {', '.join(MODELS)}")
    return replace(request, program=name, files=tuple(collect(words, own)))


def _path(text: str) -> str:
    if text and not (text.startswith("/") and text.isascii() and text.isprintable() and " " not in text):
        raise BadArgumentsError(f"--check-path {text!r}: expected a path", "--check-path /health")
    return text


def _write(changes: Patch, file: Path, texts: Collection[Path]) -> None:
    """Write the patch. Raise `BadArgumentsError` if that would overwrite a configuration."""
    if file.resolve() in texts:
        raise BadArgumentsError(f"--write {file}: this is your configuration", "name another file for the patch")
    write_text(file, changes.text)
