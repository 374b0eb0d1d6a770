"""Waits until a service answers, and reports its answers if it does not become ready."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from ..output.inert import inert

NO_AFTER_S: Final = 3.0
"""A program that has given the same 4xx for so long has decided. Traefik, the slowest to read its files, takes 1 s."""
_LOG_READ: Final = 256 * 1024
"""Bytes of the end of a log that are looked at; an access log may have any size."""
_LOCATION_LONG: Final = 200
"""Characters of a Location that are told: one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To one request."""

    status: int = 0
    """0: there was none."""
    location: str = ""
    problem: str = ""
    """Why there was none."""

    @property
    def works(self) -> bool:
        """Whether what was asked does its work."""
        return self.status == 200

    @property
    def final(self) -> bool:
        """Whether asking again is of no use: redirects are not followed, and do not go away."""
        return 300 <= self.status < 400

    def __str__(self) -> str:
        if not self.status:
            return self.problem or "no answer"
        target = inert(self.location)[:_LOCATION_LONG]
        return f"status {self.status}" + (f", Location {target} (redirects are not followed)" if self.location else "")


async def ask(session: aiohttp.ClientSession, url: str, host: str = "") -> Answer:
    """One GET that follows no redirect."""
    try:
        async with session.get(url, headers={"Host": host} if host else None, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers.get("Location", ""))
    except TimeoutError:
        return Answer(problem="no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Answer(problem=f"no connection ({error.os_error.strerror or error.os_error})")
    except (aiohttp.ClientError, ValueError) as error:
        return Answer(problem=f"no HTTP answer ({inert(str(error))[:_LOCATION_LONG] or type(error).__name__})")


class Patience:
    """Notices when the same refusal has been given for long enough."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._since = 0.0

    def ended(self, answer: Answer, now: float) -> bool:
        """Whether there is nothing to wait for any more. `now`: monotonic seconds."""
        if answer.status != self._last:
            self._last, self._since = answer.status, now
        return answer.final or (400 <= answer.status < 500 and now - self._since >= NO_AFTER_S)


def gave_up(answer: Answer, log: str) -> bool:
    """Whether a 503 will stay: HAProxy has written that a check's answer is wrong, and that no server is left."""
    if answer.status != HTTPStatus.SERVICE_UNAVAILABLE or not log:
        return False
    said = log_end(Path(log)).lower()
    return "has no server available" in said and "layer7 wrong status" in said


def log_end(log: Path) -> str:
    """The last 256 KiB of a log; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_READ))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def advice(answer: Answer, host: str, words: tuple[str, ...]) -> str:
    """What to do about an answer that is no 200, as far as it tells."""
    said = "\n".join(words).lower()
    if "code: 404" in said or "status code: 404" in said or "unexpected status code" in said:
        return "its health checks ask a path that the lab's backends do not have: --replace /healthz=HEALTH"
    if answer.final:
        return "try the part of the file that forwards, or give the name it forwards for with --host"
    if answer.status in {404, 421} and not host:
        return "if the file forwards only for some names or paths, say --host NAME or --health PATH"
    return ""


_TELLING: Final = (
    "layer4", "layer7", "wrong status", "no server available", "health", "emerg", "alert", "fatal", "error", "refused",
    "cannot", "denied", "lab: ",
)  # fmt: skip
"""Of a log whose end may be nothing but requests."""
_LINE_LONG: Final = 300
TOLD_LINES: Final = 6
"""As many as tables and pages show."""


def telling(lines: list[str], wanted: int = TOLD_LINES) -> tuple[str, ...]:
    """The end of a log, with lines before it that say why in the place of the oldest; control characters are inert."""
    reasons = [line for line in lines[:-wanted] if any(word in line.lower() for word in _TELLING)]
    kept = list(dict.fromkeys(reasons))[-(wanted // 2) :]
    chosen = [*kept, *lines[-(wanted - len(kept)) :]]
    return tuple(inert(line)[:_LINE_LONG] for line in chosen)
