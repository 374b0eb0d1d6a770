"""One line a request: all that failed, and a sample of those that went well."""

from __future__ import annotations

from random import Random

from lb.lines import Lines
from lb.proxy.record import Record, Session


class AccessLog:
    """An `OnDone` (and, with `session`, an `OnSession`): decides which requests are worth a line."""

    def __init__(self, lines: Lines, sample: float, rng: Random) -> None:
        """`sample` is the share (0–1) of requests without a failure that are logged."""
        self._lines = lines
        self._rng = rng
        self.sample = sample

    def __call__(self, record: Record) -> None:
        """Log the request, or do not."""
        if not record.method:
            self._refused(record)
        elif record.status >= 500 or record.error or self._drawn():
            self._request(record)

    def session(self, session: Session) -> None:
        """Log a connection of TCP mode, or do not."""
        if session.error or self._drawn():
            self._lines.put(
                "connection",
                backend=session.backend,
                attempts=session.attempts,
                total_ms=round(session.total_s * 1000, 3),
                bytes_in=session.bytes_in,
                bytes_out=session.bytes_out,
                error=session.error,
                client=session.client.decode("latin-1"),
            )

    def _drawn(self) -> bool:
        return self.sample > 0 and self._rng.random() < self.sample

    def _refused(self, record: Record) -> None:
        """What could not be read has nothing but a reason; a connection that was not let in has no status either."""
        client = record.client.decode("latin-1")
        self._lines.put("refused", reason=record.error, status=record.status or None, client=client)

    def _request(self, record: Record) -> None:
        self._lines.put(
            "request",
            method=record.method,
            target=record.target.decode("latin-1"),
            status=record.status,
            backend=record.backend,
            attempts=record.attempts,
            total_ms=round(record.total_s * 1000, 3),
            backend_ms=round(record.backend_s * 1000, 3),
            bytes_in=record.bytes_in,
            bytes_out=record.bytes_out,
            error=record.error,
            request_id=record.request_id.decode("latin-1"),
            client=record.client.decode("latin-1"),
        )
