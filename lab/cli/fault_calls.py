"""Calls from the `lab faults` commands to the chaos service of the running lab, and the resulting errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp

from ..errors import BadArgumentsError, EnvironmentProblemError
from ..runtime.selection import RuntimeName
from ..services.clients import ChaosClient
from .common import running_lab

Document = dict[str, Any]
INJECT_WITHIN = aiohttp.ClientTimeout(total=60.0)
"""Seconds. The service responds when the fault is verified. The first network helper takes seconds to start, and
several at once take longer."""
T = TypeVar("T")


class Chaos:
    """The chaos service of one lab. Each call returns the JSON document, or raises the error that ends the command."""

    def __init__(self, client: ChaosClient) -> None:
        self._client = client

    async def call(self, method: str, path: str, body: Document | None = None) -> Document:
        """Return the response. Raise BadArgumentsError if the call is refused, EnvironmentProblemError if it fails."""
        return _checked(*await self._client.call(method, path, body, INJECT_WITHIN))


def with_chaos(name: RuntimeName | None, project: str, work: Callable[[Chaos], Awaitable[T]]) -> T:
    """Run `work` with the chaos service of the running lab."""
    _, endpoints = running_lab(name, project)

    async def connected() -> T:
        async with aiohttp.ClientSession() as session:
            return await work(Chaos(ChaosClient(session, endpoints)))

    return asyncio.run(connected())


def calls(
    name: RuntimeName | None, project: str, requests: list[tuple[str, str]], body: Document | None = None
) -> list[Document]:
    """Return the responses to several requests, in order."""

    async def ask(chaos: Chaos) -> list[Document]:
        return [await chaos.call(method, path, body) for method, path in requests]

    return with_chaos(name, project, ask)


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """Return NAME=VALUE options as a dictionary. Raise `BadArgumentsError`."""
    for pair in given:
        if "=" not in pair.lstrip("="):
            raise BadArgumentsError(f"{option} {pair!r} is not NAME=VALUE", f"such as {option} delay=1500ms")
    found = [cast("tuple[str, str]", tuple(pair.split("=", 1))) for pair in given]
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadArgumentsError(f"{option} {twice[0]} is given twice", f"one {option} for each name")
    return dict(found)


def stop_condition(text: str | None) -> Document | None:
    """Parse `URL READ OP VALUE`, such as `http://127.0.0.1:8081/readyz status != 200`."""
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


def _checked(status: int, document: Document) -> Document:
    if status < 400:
        return document
    detail = str(document.get("detail") or document)
    possible = ", ".join(map(str, document.get("possible") or []))
    if status < 500 and status not in (401, 403):
        raise BadArgumentsError(detail, f"possible: {possible}" if possible else "lab faults list")
    raise EnvironmentProblemError(f"the chaos service answered {status}: {detail}", "lab status")
