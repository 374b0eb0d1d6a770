"""One line a request: all that failed, and a sample of those that went well.

Put into words by hand, and by the log's thread: a mapping and `json.dumps` take twice as long.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as _text
from random import Random

from ..proxy.request_record import Record, Session
from .log_writer import Lines


class AccessLog:
    """`done` is an `OnDone`, `session` an `OnSession`: decides which requests are worth a line."""

    def __init__(self, lines: Lines, sample: float, rng: Random) -> None:
        """`sample` is the share (0–1) of requests without a failure that are logged."""
        self._lines = lines
        self._rng = rng
        self.sample = sample

    def done(self, record: Record) -> None:
        """Log the request, or do not."""
        if not record.method:
            self._lines.put_later("refused", of_refusal, record)
        elif record.status >= 500 or record.error or self._drawn():
            self._lines.put_later("request", of_request, record)

    def session(self, session: Session) -> None:
        """Log a connection of TCP mode, or do not."""
        if session.error or self._drawn():
            self._lines.put_later("connection", of_session, session)

    def _drawn(self) -> bool:
        return self.sample > 0 and self._rng.random() < self.sample


def of_request(record: Record) -> str:
    """What is logged of a request."""
    return (
        f'"method": {_text(record.method)}, "target": {_bytes(record.target)}, "status": {record.status}, '
        f'"backend": {_text(record.backend)}, "attempts": {record.attempts}, '
        f'"total_ms": {record.total_s * 1000:.3f}, "backend_ms": {record.backend_s * 1000:.3f}, '
        f'"bytes_in": {record.bytes_in}, "bytes_out": {record.bytes_out}, "error": {_text(record.error)}, '
        f'"request_id": {_bytes(record.request_id)}, "client": {_bytes(record.client)}'
    )


def of_refusal(record: Record) -> str:
    """What could not be read has nothing but a reason; a connection that was not let in has no status either."""
    return f'"reason": {_text(record.error)}, "status": {record.status or "null"}, "client": {_bytes(record.client)}'


def of_session(session: Session) -> str:
    """What is logged of a connection of TCP mode."""
    return (
        f'"backend": {_text(session.backend)}, "attempts": {session.attempts}, '
        f'"total_ms": {session.total_s * 1000:.3f}, "bytes_in": {session.bytes_in}, '
        f'"bytes_out": {session.bytes_out}, "error": {_text(session.error)}, "client": {_bytes(session.client)}'
    )


def _bytes(data: bytes) -> str:
    return _text(data.decode("latin-1"))
