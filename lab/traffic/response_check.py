"""Decides whether a response is the expected one. Most requests need no such check: every status below 400 is good."""

from __future__ import annotations

from typing import Any, Protocol

from ..output.inert import one_line, quoted
from ..output.json_text import loads
from ..scenario.json_pointer import find_value, parse_pointer
from ..scenario.plan import PlannedExchange
from ..scenario.statuses import SUCCESS, accepted

KEPT = 1024 * 1024
"""Bytes of a response's body in which an expected answer is looked for."""
WRONG_BODY = "wrong_body"
_TEXT_LONG = 60


class ResponseCheck(Protocol):
    """What is expected of the responses to one kind of request."""

    keep: int
    """Bytes of the body that `body_problem` needs."""
    statuses: frozenset[int]

    def body_problem(self, body: bytearray, payload: bytes) -> str:
        """Return what is wrong with the body, or an empty string.

        `body` has the first bytes of the body, at least `keep` if there are as many. `payload`: the request as it was
        sent.
        """


class EchoCheck:
    """The body of the request is the body of the response."""

    statuses = SUCCESS

    def __init__(self, size: int) -> None:
        self._size = size
        self.keep = size + 1  # enough to notice a body that is too long

    def body_problem(self, body: bytearray, payload: bytes) -> str:
        """Compare the body with the last bytes of the payload."""
        return "" if len(body) == self._size and payload.endswith(body) else WRONG_BODY


class AnswerCheck:
    """The status is an expected one, and the body contains the expected text or JSON values."""

    def __init__(self, exchange: PlannedExchange) -> None:
        self.statuses = accepted(exchange.statuses)
        self._text = (exchange.contains or "").encode()
        self._values = [(pointer, parse_pointer(pointer), wanted) for pointer, wanted in exchange.json]
        self.keep = KEPT if self._text or self._values else 0

    def body_problem(self, body: bytearray, payload: bytes) -> str:
        """Look for the text or the JSON values. One kind of request has few different problems."""
        if self._text and self._text not in body:
            return f"{WRONG_BODY}: it does not contain {one_line(self._text.decode(), _TEXT_LONG)}"
        if not self._values:
            return ""
        try:
            document = loads(bytes(body))
        except ValueError:
            return f"{WRONG_BODY}: it is not JSON"
        for pointer, parts, wanted in self._values:
            if not _has(document, parts, wanted):
                return f"{WRONG_BODY}: {one_line(pointer, _TEXT_LONG)} is not {quoted(wanted)}"
        return ""


def _has(document: Any, parts: tuple[str, ...], wanted: Any) -> bool:
    try:
        found = find_value(document, parts)
    except LookupError:
        return False
    # In Python, True equals 1.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def answer_check(exchange: PlannedExchange) -> ResponseCheck | None:
    """Return the check of a request to any application; None if every response with a status below 400 is good."""
    check = AnswerCheck(exchange)
    return check if check.keep or check.statuses != SUCCESS else None
