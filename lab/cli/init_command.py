"""`lab init`: a lab file, a first scenario, a test and a CI job for a compose project."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadArgumentsError
from ..output.terminal import Terminal
from ..runtime.attached import NAME
from ..runtime.attached.attaching import DEFAULT_RATE, Wishes, first_document, text_of
from ..runtime.attached.lab_file import parse_lab_file
from ..runtime.attached.starter_files import starter_files, write_starter_files
from ..runtime.attached.their_project import TheirProject
from .attach_command import (
    BackendsOption,
    BalancerConfigOption,
    BalancerServiceOption,
    ComposeOption,
    HealthOption,
    RateOption,
    RequestOption,
    ServicePortOption,
    TrafficOption,
    complete,
    compose_files,
    findings,
    relative,
    with_some_backend,
)
from .common import JsonOption, message_console, print_json, words


def init(
    compose: ComposeOption = None,
    traffic: TrafficOption = "",
    backends: BackendsOption = "",
    service_port: ServicePortOption = None,
    health: HealthOption = "",
    balancer: BalancerServiceOption = "",
    config: BalancerConfigOption = None,
    request: RequestOption = None,
    rate: RateOption = DEFAULT_RATE,
    folder: Annotated[Path, typer.Option(help="Folder for the files.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at the running compose project of this folder, ask at most three questions, and write lab.yaml, a scenario,
    a test and a CI job. Options answer the questions in advance."""
    console = message_console(as_json)
    file = folder / NAME
    if file.exists() and not force:
        raise BadArgumentsError(f"{file} exists already", "--force replaces it")
    files = tuple(relative(each, file) for each in compose or compose_files())
    wishes = Wishes(
        compose=files, project="", traffic=traffic, backends=tuple(words(backends)), port=service_port,
        health=health or "/", identify="", balancer=balancer,
        config=tuple(relative(each, file) for each in config or ()),
        requests=tuple(request or ["GET /"]), rate=rate, host="", ca="",
    )  # fmt: skip
    wishes = _asked(wishes, health, file, console, interactive=sys.stdin.isatty() and not as_json)
    found, naming, answers = complete(wishes, file)
    written = [file, *write_starter_files(folder, starter_files(found, rate), force=force)]
    for line in findings(found, naming, answers):
        console.print(line, soft_wrap=True)
    for path in written:
        console.print(f"wrote {path}")
    console.print("  next: pytest, or lab run failover.yaml")
    if as_json:
        print_json({"files": [str(each) for each in written], "identify": found.content.identify})


def _asked(wishes: Wishes, health: str, file: Path, console: Terminal, *, interactive: bool) -> Wishes:
    """Return the wishes with the answers to what neither the options nor the compose files tell."""
    if wishes.backends or not interactive:
        return wishes
    theirs = TheirProject(parse_lab_file(text_of(with_some_backend(first_document(wishes))), file))
    published = theirs.published()
    guess = [each for each in theirs.services if each not in published] or [*theirs.services]
    console.print(f"services of {theirs.name}: {', '.join(theirs.services)}")
    backends = tuple(words(typer.prompt("1/3 Which of them are behind the balancer?", default=",".join(guess))))
    others = [each for each in theirs.services if each not in backends]
    balancer = typer.prompt("2/3 Which one is the balancer?", default=others[0]) if others else ""
    path = health or typer.prompt("3/3 Which path says that a backend is well (or tcp)?", default="/")
    return replace(wishes, backends=backends, balancer=wishes.balancer or balancer, health=path)
