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
"""Seconds of unchanged 4xx answers after which waiting is pointless, if the program has read its files."""
_LOG_READ: Final = 256 * 1024
"""Bytes that are read from the end of a log, because an access log may be very large."""
_LOCATION_LONG: Final = 200
"""Maximum characters of a Location in a message: one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    status: int = 0
    """Status; 0 if there was no response."""
    location: str = ""
    problem: str = ""
    """Reason why there was no response."""

    @property
    def works(self) -> bool:
        """Whether the program is ready."""
        return self.status == 200

    @property
    def final(self) -> bool:
        """Whether asking again is pointless: a redirect does not go away, and it is not followed."""
        return 300 <= self.status < 400

    def __str__(self) -> str:
        if not self.status:
            return self.problem or "no answer"
        target = inert(self.location)[:_LOCATION_LONG]
        return f"status {self.status}" + (f", Location {target} (redirects are not followed)" if self.location else "")


NOT_LOADED: Final = Answer(problem="it has not read all its files")
"""Stands for any response of a program before it has read its files."""


async def ask(session: aiohttp.ClientSession, url: str, host: str = "") -> Answer:
    """Send one GET without following redirects."""
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
    """Decides when repeated refusals are final.

    `early`: whether the program may answer 404 before it has read its files, for however long a busy host takes.
    """

    def __init__(self, *, early: bool = False) -> None:
        self._early = early
        self._last: int | None = None
        self._since = 0.0

    def ended(self, answer: Answer, now: float) -> bool:
        """Return whether waiting is pointless. `now`: monotonic seconds."""
        if answer.status != self._last:
            self._last, self._since = answer.status, now
        if self._early and answer.status == HTTPStatus.NOT_FOUND:
            return False
        return answer.final or (400 <= answer.status < 500 and now - self._since >= NO_AFTER_S)


def gave_up(answer: Answer, log: str) -> bool:
    """Return whether the program's log says that its response will not change.

    HAProxy logs that a check got a wrong status and no server is left, Traefik that it cannot read its files.
    """
    unread = answer == NOT_LOADED or answer.status == HTTPStatus.NOT_FOUND
    if not log or not (unread or answer.status == HTTPStatus.SERVICE_UNAVAILABLE):
        return False
    said = log_end(Path(log)).lower()
    if unread:
        return "cannot start the provider" in said
    return "has no server available" in said and "layer7 wrong status" in said


def log_end(log: Path) -> str:
    """Return the last 256 KiB of a log; empty if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_READ))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def advice(answer: Answer, host: str, words: tuple[str, ...]) -> str:
    """Return what to do about an answer other than 200, or an empty string if that is not known."""
    said = "\n".join(words).lower()
    if "code: 404" in said or "status code: 404" in said or "unexpected status code" in said:
        return "its health checks request a path that the lab's backends do not have: --replace /healthz=HEALTH"
    if answer.final:
        return "use the part of the file that forwards, or give the host name for which it forwards with --host"
    if answer.status in {404, 421} and not host:
        return "if the file forwards only for some names or paths, use --host NAME or --health PATH"
    return ""


_TELLING: Final = (
    "layer4", "layer7", "wrong status", "no server available", "health", "emerg", "alert", "fatal", "error", "refused",
    "cannot", "denied", "lab: ",
)  # fmt: skip
"""Words that mark log lines with a reason. The last lines of a log may have none, for example in an access log."""
_LINE_LONG: Final = 300
TOLD_LINES: Final = 6
"""Number of log lines that tables and pages show."""


def telling(lines: list[str], wanted: int = TOLD_LINES) -> tuple[str, ...]:
    """Return the last lines of a log, with earlier lines that give a reason in place of the oldest. All are inert."""
    reasons = [line for line in lines[:-wanted] if any(word in line.lower() for word in _TELLING)]
    kept = list(dict.fromkeys(reasons))[-(wanted // 2) :]
    chosen = [*kept, *lines[-(wanted - len(kept)) :]]
    return tuple(inert(line)[:_LINE_LONG] for line in chosen)
