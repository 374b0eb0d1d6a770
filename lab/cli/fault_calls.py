"""What the `lab faults` commands share: asking the chaos service of the running lab, and what its refusals mean."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..services.clients import ChaosClient
from .common import RuntimeName, running

Document = dict[str, Any]
INJECT_WITHIN = aiohttp.ClientTimeout(total=60.0)
"""A fault is answered when it is verified; the first network helper of a day takes seconds to start, and several of
them at once take longer."""
T = TypeVar("T")


class Chaos:
    """The chaos service of one lab; every call answers the document, or raises what the command exits with."""

    def __init__(self, client: ChaosClient) -> None:
        self._client = client

    async def call(self, method: str, path: str, body: Document | None = None) -> Document:
        """Raises BadArgumentsError where the service refuses, EnvironmentProblemError where it cannot."""
        return _good(*await self._client.call(method, path, body, INJECT_WITHIN))


def with_chaos(name: RuntimeName | None, project: str, work: Callable[[Chaos], Awaitable[T]]) -> T:
    """Run `work` on the chaos service of the lab that runs."""
    _, endpoints = running(name, project)

    async def connected() -> T:
        async with aiohttp.ClientSession() as session:
            return await work(Chaos(ChaosClient(session, endpoints)))

    return asyncio.run(connected())


def calls(
    name: RuntimeName | None, project: str, requests: list[tuple[str, str]], body: Document | None = None
) -> list[Document]:
    """The answers to several requests, in order."""

    async def ask(chaos: Chaos) -> list[Document]:
        return [await chaos.call(method, path, body) for method, path in requests]

    return with_chaos(name, project, ask)


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    for pair in given:
        if "=" not in pair.lstrip("="):
            raise BadArgumentsError(f"{option} {pair!r} is not NAME=VALUE", f"such as {option} delay=1500ms")
    found = [cast("tuple[str, str]", tuple(pair.split("=", 1))) for pair in given]
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadArgumentsError(f"{option} {twice[0]} is given twice", f"one {option} for each name")
    return dict(found)


def stop_condition(text: str | None) -> Document | None:
    """`URL READ OP VALUE`, such as `http://127.0.0.1:8081/readyz status != 200`."""
    if text is None:
        return None
    words = text.split()
    if len(words) != 4:
        raise BadArgumentsError(
            f"--stop-when {text!r} is not 'URL READ OP VALUE'",
            "such as --stop-when 'http://127.0.0.1:8081/readyz status != 200'",
        )
    url, read, op, value = words
    return {"url": url, "read": read, "op": op, "value": _value(value)}


def _value(word: str) -> float | bool | str:
    if word in ("true", "false"):
        return word == "true"
    try:
        return float(word)
    except ValueError:
        return word


def _good(status: int, document: Document) -> Document:
    if status < 400:
        return document
    detail = str(document.get("detail") or document)
    possible = ", ".join(map(str, document.get("possible") or []))
    if status < 500 and status not in (401, 403):
        raise BadArgumentsError(detail, f"possible: {possible}" if possible else "lab faults list")
    raise EnvironmentProblemError(f"the chaos service answered {status}: {detail}", "lab status")
