"""CPU cost of the access log and the metrics per request, including both threads of the log."""

from __future__ import annotations

import io
from random import Random
from time import process_time

from ..proxy.request_record import RequestRecord
from ..telemetry.access_log import AccessLog
from ..telemetry.log_writer import LogWriter
from ..telemetry.request_stats import RequestStats

RECORD = RequestRecord(
    "GET", b"/a?b=c", 200, "api-1", 1, 0.0, 0.0041, 0.003, 0, 120, "", b"0123456789ab-1f", b"127.0.0.1"
)
REQUESTS = 20_000


def measure(rounds: int, sample: float) -> float:
    """Return CPU microseconds per request, the lowest of `rounds`. `sample` is the share of logged requests."""
    return min(_cost(sample) for _ in range(rounds)) * 1e6


def _cost(sample: float) -> float:
    """Return CPU seconds per request until the last line is written. Raise RuntimeError if lines were dropped."""
    lines, counts = LogWriter(io.StringIO(), max_waiting=REQUESTS), RequestStats()
    log = AccessLog(lines, sample, Random(3))
    lines.start()
    started = process_time()
    for _ in range(REQUESTS):
        counts.done(RECORD)
        log.done(RECORD)
    lines.close(60.0)
    if lines.dropped:
        raise RuntimeError(f"{lines.dropped} lines were dropped, so the cost would be too low")
    return (process_time() - started) / REQUESTS
