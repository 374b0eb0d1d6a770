from __future__ import annotations

import io
import json
from dataclasses import replace
from random import Random
from typing import Any

from lb.access_log import AccessLog
from lb.lines import Lines
from lb.proxy.record import Record

GOOD = Record("GET", b"/a?b", 200, "a", 1, 0.0, 0.0041, 0.003, 0, 120, "", b"id", b"127.0.0.1")


def written(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_a_time_and_what_happened() -> None:
    out = io.StringIO()
    lines = Lines(out)
    lines.start()
    lines.put("transition", backend="a", new="down")
    lines.close()

    (line,) = written(out)
    assert line.pop("time").endswith("+00:00")
    assert line == {"event": "transition", "backend": "a", "new": "down"}


def test_a_stalled_reader_costs_lines_and_not_time() -> None:
    lines = Lines(io.StringIO(), max_waiting=2)  # never started: nothing is ever taken from it

    for _ in range(5):
        lines.put("request")

    assert lines.dropped == 3


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_left_is_no_error() -> None:
    lines = Lines(Gone())
    lines.start()
    lines.put("request")
    lines.close()

    assert lines.dropped == 1


def logged(sample: float, *records: Record) -> list[dict[str, Any]]:
    out = io.StringIO()
    lines = Lines(out)
    log = AccessLog(lines, sample, Random(3))
    for record in records:
        log(record)
    lines.start()
    lines.close()
    return written(out)


def test_only_failures_are_logged_without_a_sample() -> None:
    failed = replace(GOOD, status=503, error="no_backend", backend="")
    gone = replace(GOOD, status=0, error="client_gone")
    truncated = replace(GOOD, error="truncated")

    lines = logged(0.0, GOOD, replace(GOOD, status=404), failed, gone, truncated)

    assert [line["error"] for line in lines] == ["no_backend", "client_gone", "truncated"]


def test_a_line_says_all_that_is_known_of_a_request() -> None:
    (line,) = logged(1.0, GOOD)

    assert (line["method"], line["target"], line["status"], line["total_ms"]) == ("GET", "/a?b", 200, 4.1)


def test_a_sample_is_that_share_of_the_good_ones() -> None:
    # Binomial with p = 0.25: the standard deviation of 2,000 draws is 19; ± 5 of them.
    assert abs(len(logged(0.25, *[GOOD] * 2_000)) - 500) < 97
