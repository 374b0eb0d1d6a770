"""Turns the options of `lab attach` into a lab file, and finds out what they leave open."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from ruamel.yaml import YAML

from ...errors import BadArgumentsError, EnvironmentProblemError
from ...output.atomic_write import write_atomically
from ...services.endpoints import Endpoints
from .. import ports
from .lab_file import Found, LabFile, parse_lab_file
from .survey import REQUESTS_PER_BACKEND, Answer, Naming, find_naming
from .their_project import Container, TheirProject

NONE: Final = "none"
DEFAULT_RATE: Final = "50/s"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
_DIRECT_TIMEOUT: Final = aiohttp.ClientTimeout(total=1.0)
_BODY_BYTES: Final = 64 * 1024
_HEAD: Final = (
    "# A compose project that the lab can send traffic to and fault (lab attach). docs/attach.md has every field.\n"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options of `lab attach`. What is empty or None is found out."""

    compose: tuple[str, ...]
    project: str
    traffic: str
    backends: tuple[str, ...]
    port: int | None
    health: str
    identify: str
    balancer: str
    config: tuple[str, ...]
    requests: tuple[str, ...]
    rate: str
    host: str
    ca: str


def first_document(wishes: Wishes) -> dict[str, Any]:
    """Return a lab file with what the options say, and placeholders where they say nothing."""
    balancer = {"service": wishes.balancer or None, "config": list(wishes.config) or None}
    share = f"{100 / len(wishes.requests):.9g}%"
    document = {
        "version": 1,
        "compose": list(wishes.compose),
        "project": wishes.project or None,
        "traffic": wishes.traffic or "http://127.0.0.1/",
        "ca": wishes.ca or None,
        "host": wishes.host or None,
        "backends": {"services": list(wishes.backends), "port": wishes.port or 80, "health": wishes.health},
        "balancer": {key: value for key, value in balancer.items() if value} or None,
        "identify": wishes.identify or NONE,
        "names": {},
        "requests": [{"request": each, "share": share} for each in wishes.requests],
        "rate": wishes.rate,
    }
    return {key: value for key, value in document.items() if value not in (None, {})}


def text_of(document: Mapping[str, Any]) -> str:
    """Return the document as YAML, in the order of the model's fields, with a comment that says what it is."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 120
    out = io.StringIO()
    yaml.dump({name: document[name] for name in LabFile.model_fields if name in document}, out)
    return _HEAD + out.getvalue()


def found_port(backends: Sequence[Container]) -> int:
    """Return the only TCP port that the backends expose. Raise `BadArgumentsError` if there are several or none."""
    exposed = sorted({port for each in backends for port in each.exposed})
    if len(exposed) != 1:
        shown = ", ".join(map(str, exposed)) or "none"
        raise BadArgumentsError(
            f"cannot tell on which port {', '.join(sorted({each.service for each in backends}))} serves "
            f"(exposed: {shown})",
            "--service-port PORT",
        )
    return exposed[0]


def found_traffic(project: TheirProject, backends: Sequence[str]) -> str:
    """Return the URL of the only published port of a service that is no backend. Raise `BadArgumentsError`."""
    published = {
        f"http://{ports.LOOPBACK}:{port}/": service
        for service, each in project.published().items()
        if service not in backends
        for host, port, _ in each
        if host in {"", "0.0.0.0", "127.0.0.1", "::", "::1"}
    }
    if len(published) != 1:
        shown = ", ".join(f"{url} ({service})" for url, service in published.items()) or "none"
        raise BadArgumentsError(
            f"cannot tell where requests enter {project.name} (published ports of other services: {shown})",
            "--traffic http://127.0.0.1:PORT/, or --traffic http://SERVICE:PORT/ without a published port",
        )
    return next(iter(published))


def survey(found: Found, entrance: Endpoints, backends: Sequence[Container]) -> tuple[Naming | None, list[Answer]]:
    """Send requests through the balancer and to each backend; return where answers name their backend, and the answers.

    Raise `EnvironmentProblemError` if the balancer answers none of the requests.
    """
    answers, direct = asyncio.run(_ask_all(found, entrance, backends))
    wanted = "" if found.content.identify == NONE else found.content.identify
    return find_naming(answers, backends, direct, wanted), answers


async def _ask_all(
    found: Found, entrance: Endpoints, backends: Sequence[Container]
) -> tuple[list[Answer], dict[str, Answer]]:
    content, options = found.content, entrance.traffic_options()
    headers = {"Connection": "close", **({"Host": content.host} if content.host else {})}
    target = entrance.traffic + content.asked
    async with aiohttp.ClientSession(headers=headers) as session:
        count = REQUESTS_PER_BACKEND * len(backends)
        told = await asyncio.gather(*(_ask(session, target, _TIMEOUT, options) for _ in range(count)))
        answers = [each for each in told if isinstance(each, Answer)]
        if not answers:
            raise EnvironmentProblemError(f"GET {target}: no answer ({told[0]})", "is the balancer up? --traffic URL")
        direct = {}
        for each in backends:
            if not (address := next(filter(None, each.networks.values()), "")):
                continue
            shown = f"[{address}]" if ":" in address else address
            url = f"http://{shown}:{content.backends.port}{urlsplit(content.traffic).path.rstrip('/')}{content.asked}"
            answer = await _ask(session, url, _DIRECT_TIMEOUT, {"allow_redirects": False})
            if isinstance(answer, Answer):
                direct[each.target] = answer
    return answers, direct


async def _ask(
    session: aiohttp.ClientSession, url: str, limit: aiohttp.ClientTimeout, options: Mapping[str, Any]
) -> Answer | str:
    """Return the answer to one request on a new connection, or why there is none."""
    try:
        async with session.get(url, timeout=limit, **options) as answer:
            body = bytearray()
            while len(body) < _BODY_BYTES and (chunk := await answer.content.readany()):
                body += chunk
            return Answer(answer.status, tuple(answer.headers.items()), bytes(body))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return str(error) or type(error).__name__


def write(document: Mapping[str, Any], path: Path) -> Found:
    """Write the lab file and return it. Raise ModelFileError if it would not be valid."""
    text = text_of(document)
    found = parse_lab_file(text, path)
    write_atomically(path, text)
    return found
