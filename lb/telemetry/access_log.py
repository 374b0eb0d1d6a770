"""The access log: a line for each failed request, and for a sample of the others.

The log's thread formats the lines. It uses f-strings, because `json.dumps` of a dictionary takes twice as long.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as _text
from random import Random

from ..proxy.request_record import RequestRecord, TcpRecord
from .log_writer import LogWriter


class AccessLog:
    """Decides which requests and TCP connections are logged. `done` is an `OnDone`, `tcp_done` an `OnTcpDone`."""

    def __init__(self, lines: LogWriter, sample: float, rng: Random) -> None:
        """`sample` is the share (0–1) of successful requests that are logged."""
        self._lines = lines
        self._rng = rng
        self.sample = sample

    def done(self, record: RequestRecord) -> None:
        """Log the request if it failed or is in the sample."""
        if not record.method:
            self._lines.put_deferred("refused", format_refusal, record)
        elif record.status >= 500 or record.error or self._is_sampled():
            self._lines.put_deferred("request", format_request, record)

    def tcp_done(self, record: TcpRecord) -> None:
        """Log the connection of TCP mode if it failed or is in the sample."""
        if record.error or self._is_sampled():
            self._lines.put_deferred("connection", format_tcp, record)

    def _is_sampled(self) -> bool:
        return self.sample > 0 and self._rng.random() < self.sample


def format_request(record: RequestRecord) -> str:
    """Return the JSON fields of a request, without braces."""
    return (
        f'"method": {_text(record.method)}, "target": {_bytes(record.target)}, "status": {record.status}, '
        f'"backend": {_text(record.backend)}, "attempts": {record.attempts}, '
        f'"total_ms": {record.total_s * 1000:.3f}, "backend_ms": {record.backend_s * 1000:.3f}, '
        f'"bytes_in": {record.bytes_in}, "bytes_out": {record.bytes_out}, "error": {_text(record.error)}, '
        f'"request_id": {_bytes(record.request_id)}, "client": {_bytes(record.client)}'
    )


def format_refusal(record: RequestRecord) -> str:
    """Return the JSON fields of an unreadable request, or of a refused connection, which has no status."""
    return f'"reason": {_text(record.error)}, "status": {record.status or "null"}, "client": {_bytes(record.client)}'


def format_tcp(record: TcpRecord) -> str:
    """Return the JSON fields of a connection of TCP mode."""
    return (
        f'"backend": {_text(record.backend)}, "attempts": {record.attempts}, '
        f'"total_ms": {record.total_s * 1000:.3f}, "bytes_in": {record.bytes_in}, '
        f'"bytes_out": {record.bytes_out}, "error": {_text(record.error)}, "client": {_bytes(record.client)}'
    )


def _bytes(data: bytes) -> str:
    return _text(data.decode("latin-1"))
