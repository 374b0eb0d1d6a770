"""`lab advise`: what a configuration adds up to when a server fails, and what in it is dangerous."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..advise.advice import Advice, advise
from ..advise.formats import as_json, markdown, sarif
from ..advise.models import MODELS
from ..advise.models.reroute import RerouteModel, published_pool
from ..advise.prediction import Situation
from ..balancers import adapter as find_adapter
from ..balancers import adapters
from ..balancers.adapter import Adapter, Missing
from ..balancers.configuration import Configuration
from ..balancers.importing import can_import, choose, collect, guess
from ..compare import entries
from ..compare.configs import changes
from ..compare.verification import Subject, without_tls
from ..errors import BadArgumentsError, EnvironmentProblemError, ExitCode
from ..output.terminal import write
from ..processes.direct_http import direct_opener
from ..scenario.units import parse_duration, parse_rate, parse_share
from .advise_verification import ALL_FAULTS, kinds, run_verification
from .advise_view import show
from .common import message_console, print_json

_PATIENCE_S: Final = 2.0


class Format(StrEnum):
    """Forms in which the advice is printed."""

    TERMINAL = "terminal"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"


def advise_command(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Your configuration, main file first, separated by spaces or commas; or a running Reroute's admin URL."
        ),
    ],
    adapter: Annotated[str, typer.Option(help="The program, if its files do not tell: haproxy, nginx, …")] = "",
    frontend: Annotated[str, typer.Option(help="Name of the listener, if there are several.")] = "",
    pool: Annotated[str, typer.Option(help="Name of the pool of servers, if there are several.")] = "",
    rate: Annotated[str, typer.Option(help="Requests to the pool.")] = "200/s",
    posts: Annotated[str, typer.Option(help="Share of the requests that are not idempotent.")] = "10%",
    outage: Annotated[str, typer.Option(help="How long a server fails.")] = "60s",
    drain: Annotated[str, typer.Option(help="How long a server that says it is leaving still answers.")] = "5s",
    client_timeout: Annotated[str, typer.Option(help="How long clients wait.")] = "10s",
    response_time: Annotated[
        str, typer.Option(help="Longest time that a healthy server takes for a response.")
    ] = "250ms",
    backend_keep_alive: Annotated[
        str, typer.Option(help="How long your servers keep an idle connection. Default: not known.")
    ] = "",
    program_version: Annotated[
        str,
        typer.Option(help="Version of the program, such as 2.6.12. Default: that of the installed program, if any."),
    ] = "",
    form: Annotated[Format, typer.Option("--format", help="How to print the advice.")] = Format.TERMINAL,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run the faults in a lab, and set measured beside predicted.")
    ] = False,
    phases: Annotated[int, typer.Option(help="--verify: runs of each fault, at so many phases.", min=1, max=50)] = 4,
    faults: Annotated[str, typer.Option(help="--verify: comma-separated kinds of fault.")] = ALL_FAULTS,
    results: Annotated[Path, typer.Option(help="--verify: folder for the runs.")] = Path("results"),
) -> None:
    """Predict, for each kind of fault, what the time-outs, checks and retries of a configuration add up to.

    Exit codes: 0 nothing dangerous, 1 a finding of severity danger or a measured value above its prediction (--verify),
    254 bad arguments or files.
    """
    words = [part for word in files for part in ([word] if Path(word).exists() else word.split(","))]
    given = Situation(
        servers=1,
        rate_per_s=parsed(parse_rate, "--rate", rate),
        post_share=parsed(parse_share, "--posts", posts),
        outage_s=parsed(parse_duration, "--outage", outage),
        drain_s=parsed(parse_duration, "--drain", drain),
        client_timeout_s=parsed(parse_duration, "--client-timeout", client_timeout),
        response_s=parsed(parse_duration, "--response-time", response_time),
    )
    kept_s = parsed(parse_duration, "--backend-keep-alive", backend_keep_alive) if backend_keep_alive else None
    if words[0].startswith("http://"):
        advice = _running(words[0], given, kept_s)
        _print(advice, form)
        raise typer.Exit(ExitCode.FAIL if advice.dangerous else ExitCode.PASS)
    name = adapter or guess(words)
    if not name:
        raise BadArgumentsError(
            f"cannot tell which balancer {words[0]} is for", f"--adapter, with one of {', '.join(adapters())}"
        )
    own = find_adapter(name).own_files
    if own is None or not can_import(own):
        raise BadArgumentsError(f"the lab cannot read files of {name}", f"it reads those of {', '.join(MODELS)}")
    configuration = own.read(collect(words, own))
    route = choose(configuration, frontend, pool)
    situation = replace(given, servers=len(route.pool.servers))
    advice = advise(
        configuration, route.pool, situation, kept_s, version=program_version or _installed(find_adapter(name))
    )
    _print(advice, form)
    wrong = False
    if verify:
        paths = ",".join(map(str, configuration.texts))
        (entry,) = entries.with_routes(entries.from_files([f"{name}={paths}"], [], "FILE"), frontend, pool)
        console = message_console(form is not Format.TERMINAL)
        if entry.choice.listener:
            for line in changes(entry.choice):
                console.print(line, soft_wrap=True)
        plain = without_tls(route.pool)
        if plain != route.pool:
            console.print("the lab's backends speak no TLS, so the predictions below are for checks without it")
        verified = run_verification([Subject(entry, name, plain)], kinds(faults), phases, None, results, console)
        console.print(verified.text())
        wrong = verified.exceeded
    raise typer.Exit(ExitCode.FAIL if advice.dangerous or wrong else ExitCode.PASS)


def _installed(adapter: Adapter) -> str:
    """Return the version that the installed program reports; empty if there is none."""
    found = adapter.find()
    if isinstance(found, Missing):
        return ""
    try:
        return adapter.version(found)
    except EnvironmentProblemError:
        return ""


def _running(url: str, given: Situation, kept_s: float | None) -> Advice:
    """Return the advice about a running Reroute. Raise `BadArgumentsError` if no admin API answers at `url`."""
    try:
        config, backends, bounds = (
            json.loads(direct_opener().open(url.rstrip("/") + path, timeout=_PATIENCE_S).read())
            for path in ("/config", "/backends", "/bounds")
        )
        pool = published_pool(url, config, backends["backends"])
        situation = replace(given, servers=max(1, len(pool.servers)))
        configuration = Configuration("reroute", {}, (), (pool,))
        return advise(configuration, pool, situation, kept_s, RerouteModel(bounds["bounds"]))
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise BadArgumentsError(f"{url} is not the admin API of a running Reroute: {error}") from error


def parsed(parse: Callable[[Any], float], option: str, text: str) -> float:
    """Return the value of an option above 0. Raise `BadArgumentsError`."""
    try:
        value = parse(text)
    except ValueError as error:
        raise BadArgumentsError(f"{option}: {error}") from error
    if value <= 0 and parse is not parse_share:
        raise BadArgumentsError(f"{option} {text}: expected more than 0")
    return value


def _print(advice: Advice, form: Format) -> None:
    match form:
        case Format.JSON:
            print_json(as_json(advice))
        case Format.SARIF:
            print_json(sarif(advice))
        case Format.MARKDOWN:
            write(markdown(advice))
        case Format.TERMINAL:
            show(advice, message_console(False))
