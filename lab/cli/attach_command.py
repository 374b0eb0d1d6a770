"""`lab attach`: writes `lab.yaml` for a compose project, checks it, and starts the chaos service beside the project."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BadArgumentsError
from ..runtime.attached import LAB_FILE, NAME, attaching
from ..runtime.attached.attached_lab import AttachedRuntime
from ..runtime.attached.attaching import DEFAULT_RATE, NONE, Wishes
from ..runtime.attached.bounds import bounds_of_configuration
from ..runtime.attached.lab_file import Found, parse_lab_file
from ..runtime.attached.survey import Answer, Naming
from ..runtime.attached.their_project import TheirProject
from .common import JsonOption, message_console, print_json, words

_COMPOSE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Names that Compose looks for, in its order."""


ComposeOption = Annotated[
    list[str] | None, typer.Option("--compose", "-f", help="Compose file; repeat for several. Default: as Compose.")
]
TrafficOption = Annotated[
    str,
    typer.Option(
        help="Where requests enter: http(s)://127.0.0.1:PORT/, or http://SERVICE:PORT/. "
        "Default: the only published port."
    ),
]
BackendsOption = Annotated[
    str, typer.Option(help="Services behind the balancer, comma-separated. Only they are faulted.")
]
ServicePortOption = Annotated[
    int | None, typer.Option(help="Port inside the backends. Default: the one that they expose.", min=1, max=65535)
]
HealthOption = Annotated[str, typer.Option(help="Path that a working backend answers, or tcp.")]
BalancerServiceOption = Annotated[str, typer.Option(help="Service of the balancer.")]
BalancerConfigOption = Annotated[
    list[str] | None, typer.Option(help="The balancer's configuration, from which bounds are derived.")
]
RequestOption = Annotated[
    list[str] | None, typer.Option(help="Such as 'GET /shop'; repeat for several. Default: GET /.")
]
RateOption = Annotated[str, typer.Option(help="Requests per second.")]


def attach(
    compose: ComposeOption = None,
    traffic: TrafficOption = "",
    backends: BackendsOption = "",
    service_port: ServicePortOption = None,
    health: HealthOption = "/",
    identify: Annotated[
        str,
        typer.Option(
            help="Where an answer names its backend: header:NAME, json:/pointer, cookie:NAME or none. "
            "Default: found out."
        ),
    ] = "",
    balancer: BalancerServiceOption = "",
    config: BalancerConfigOption = None,
    request: RequestOption = None,
    rate: RateOption = DEFAULT_RATE,
    host: Annotated[str, typer.Option(help="Host header of all requests.")] = "",
    ca: Annotated[str, typer.Option(help="File with the certificates that sign the balancer's; for https.")] = "",
    project: Annotated[str, typer.Option(help="Compose project. Default: as Compose derives it.")] = "",
    file: Annotated[Path, typer.Option(help="The lab file to write.")] = Path(NAME),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing lab file.")] = False,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start the chaos service beside the project.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Attach the lab to a running compose project. Nothing of it is changed; only the named services are faulted."""
    console = message_console(as_json)
    if file.exists() and not force:
        raise BadArgumentsError(f"{file} exists already", "lab up uses it; --force replaces it")
    wishes = Wishes(
        compose=tuple(relative(each, file) for each in compose or compose_files()),
        project=project,
        traffic=traffic,
        backends=tuple(words(backends)),
        port=service_port,
        health=health,
        identify=identify,
        balancer=balancer,
        config=tuple(relative(each, file) for each in config or ()),
        requests=tuple(request or ["GET /"]),
        rate=rate,
        host=host,
        ca=relative(ca, file) if ca else "",
    )
    found, naming, answers = complete(wishes, file)
    runtime = AttachedRuntime(found)
    for line in findings(found, naming, answers):
        console.print(line, soft_wrap=True)
    os.environ[LAB_FILE] = str(found.path)
    if start:
        endpoints = runtime.up(console.print)
        console.print(f"attached to {runtime.theirs.name}: traffic {endpoints.traffic}, chaos {endpoints.chaos}")
        console.print("  next: lab run kill pause · lab faults list · lab down")
    if as_json:
        shown: dict[str, Any] = {"file": str(file), "project": runtime.theirs.name, "identify": found.content.identify}
        print_json({**shown, "seen": list(naming.seen) if naming else [], "started": start})


def complete(wishes: Wishes, file: Path) -> tuple[Found, Naming | None, list[Answer]]:
    """Find out what the options leave open, and write the lab file. Return it, and what the balancer answered.

    Raise `LabError` if the project cannot be attached; nothing is written then.
    """
    document = attaching.first_document(wishes)
    theirs = TheirProject(parse_lab_file(attaching.text_of(with_some_backend(document)), file))
    if not wishes.backends:
        raise BadArgumentsError(
            f"which services of {theirs.name} are behind the balancer?",
            f"--backends, with some of {', '.join(theirs.services)}",
        )
    theirs.check_services([each for each in (wishes.balancer,) if each])
    backends = theirs.running(wishes.backends)
    document["backends"]["port"] = wishes.port or attaching.found_port(backends)
    document["traffic"] = wishes.traffic or attaching.found_traffic(theirs, wishes.backends)
    first = parse_lab_file(attaching.text_of(document), file)
    naming, answers = attaching.survey(first, AttachedRuntime(first).entrance(), backends)
    if naming is not None and wishes.identify != NONE:
        document["identify"] = naming.identify
        if naming.names:
            document["names"] = dict(naming.names)
    return attaching.write(document, file), naming, answers


def with_some_backend(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with a backend if it has none, so that the project can be read to list its services."""
    backends = document["backends"]
    return {**document, "backends": {**backends, "services": backends["services"] or ["unknown"]}}


def findings(found: Found, naming: Naming | None, answers: Sequence[Answer]) -> Iterator[str]:
    """Yield what the survey has found, a line each, with what can be done about it."""
    statuses = Counter(each.status for each in answers)
    told = ", ".join(f"{count} × {status}" for status, count in statuses.most_common())
    yield f"{found.path.name}: GET {found.content.asked} through {found.content.traffic}: {told}"
    content = found.content
    if content.identify == NONE:
        yield (
            "no answer says which backend gave it, so times to reroute and readmit are not asserted; docs/attach.md "
            "says how the balancer adds an address, and --identify names a place that answers have already"
        )
    elif naming is not None:
        yield f"answers name their backend in {content.identify}: {', '.join(naming.seen)}"
    else:
        yield (
            f"the values of {content.identify} cannot be matched to containers: add `names: {{VALUE: CONTAINER}}` to "
            f"{found.path.name}"
        )
    bounds = bounds_of_configuration(found)
    if content.balancer.config is not None and not bounds:
        yield "the balancer's configuration has one server, whose addresses DNS finds: no limit is derived from it"
    if content.balancer.config is None:
        yield "limits come from `expect` in the lab file; with the balancer's configuration (--config) they are derived"


def compose_files() -> list[str]:
    """Return the file that Compose would use here. Raise `BadArgumentsError` if there is none."""
    for name in _COMPOSE_NAMES:
        if Path(name).is_file():
            return [name]
    raise BadArgumentsError("there is no compose file here", "--compose FILE")


def relative(name: str, file: Path) -> str:
    """Return the path as the lab file names it: relative to its folder."""
    return os.path.relpath(Path(name).resolve(), file.resolve().parent)
