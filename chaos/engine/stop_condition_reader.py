"""Reads stop conditions over HTTP, from loopback and this lab's own services only.

The host name is resolved and checked once, and the address is used from then on, so that a changed DNS entry has no
effect. Redirects are not followed. So no client can make the service send requests to other hosts (SSRF).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import aiohttp

from ..drivers.targets import Runtime
from ..errors import BadRequestError, StopConditionMetError
from .stop_condition import StopConditionWatch, StopWhen, UnreadableError, Value, is_met, read_value

POLL_EVERY_S = 0.25
ANSWER_WITHIN_S = 0.5
"""Time limit of one reading, in seconds. With `POLL_EVERY_S` and `BLIND_S`, a condition that is met is noticed within
0.75 s, one that cannot be read within 1.75 s."""
MAX_BODY = 4 << 20


@dataclass(frozen=True, slots=True)
class Watched:
    """A condition with its resolved address."""

    condition: StopWhen
    url: str
    """The URL with the address in place of the name."""
    host: str

    async def read(self) -> Value:
        """Read the value once. Raise UnreadableError."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers={"Host": self.host}) as session,
                session.get(self.url, allow_redirects=False) as answer,
            ):
                return read_value(self.condition.read, answer.status, await _bounded(answer))
        except TimeoutError as error:
            raise UnreadableError(f"no answer within {ANSWER_WITHIN_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UnreadableError(str(error) or type(error).__name__) from error

    async def until_met(self) -> str:
        """Wait until the condition is met; return the reason to stop."""
        watch = StopConditionWatch(self.condition)
        while True:
            asked = time.monotonic()
            try:
                reason = watch.reading(await self.read())
            except UnreadableError as error:
                reason = watch.failed_reading(str(error), asked, time.monotonic())
            if reason is not None:
                return reason
            await asyncio.sleep(POLL_EVERY_S)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > MAX_BODY:
            raise UnreadableError(f"the answer is longer than {MAX_BODY >> 20} MiB")
    return bytes(body)


async def prepare(condition: StopWhen, runtime: Runtime) -> Watched:
    """Resolve the condition's address and read it once.

    Raise BadRequestError for an address that is not allowed or a value that cannot be read, StopConditionMetError if
    the condition already holds.
    """
    parts = urlsplit(condition.url)
    address = await _resolve(parts, runtime)
    shown = f"[{address}]" if ":" in address else address
    url = parts._replace(netloc=f"{shown}:{parts.port or 80}").geturl()
    watched = Watched(condition, url, parts.netloc)
    try:
        value = await watched.read()
        met = is_met(condition, value)
    except UnreadableError as error:
        raise BadRequestError(f"stop_when: {condition.read} of {condition.url} cannot be read: {error}") from error
    if met:
        raise StopConditionMetError(f"stop_when already holds: {condition.read} of {condition.url} is {value}")
    return watched


async def _resolve(parts: SplitResult, runtime: Runtime) -> str:
    """Return an address of the URL's host. Raise BadRequestError if none of its addresses is allowed."""
    name = parts.hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, parts.port or 80, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadRequestError(f"stop_when.url: {name!r} cannot be resolved") from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            return address
    members = await asyncio.gather(*(target.info() for target in await runtime.targets(all_roles=True)))
    ours = {each.rpartition(":")[0].strip("[]") for member in members for each in member.addresses}
    for address in addresses:
        if address in ours:
            return address
    roles = sorted({member.role for member in members})
    raise BadRequestError(f"stop_when.url: {name!r} is neither loopback nor a service of this lab", possible=roles)
