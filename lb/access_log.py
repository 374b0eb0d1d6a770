"""One line a request: all that failed, and a sample of those that went well."""

from __future__ import annotations

from random import Random

from lb.lines import Lines
from lb.proxy.record import Record


class AccessLog:
    """An `OnDone`: decides which requests are worth a line."""

    def __init__(self, lines: Lines, sample: float, rng: Random) -> None:
        """`sample` is the share (0–1) of requests without a failure that are logged."""
        self._lines = lines
        self._sample = sample
        self._rng = rng

    def __call__(self, record: Record) -> None:
        """Log the request, or do not."""
        failed = record.status >= 500 or record.error
        if not failed and not (self._sample and self._rng.random() < self._sample):
            return
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
