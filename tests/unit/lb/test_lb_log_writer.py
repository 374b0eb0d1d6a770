from __future__ import annotations

import io
import json
from dataclasses import replace
from random import Random
from typing import Any

from lb.proxy.request_record import RequestRecord, TcpRecord, refused_record
from lb.telemetry.access_log import AccessLog
from lb.telemetry.log_writer import Line, LogWriter, batches, format_fields, format_line

GOOD = RequestRecord("GET", b"/a?b", 200, "a", 1, 0.0, 0.0041, 0.003, 0, 120, "", b"id", b"127.0.0.1")


def written(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_json_with_a_time_and_what_happened() -> None:
    out = io.StringIO()
    lines = LogWriter(out)
    lines.start()
    lines.put("transition", backend="a", new="down")
    lines.close()

    (line,) = written(out)
    assert line.pop("time").endswith("+00:00")
    assert line == {"event": "transition", "backend": "a", "new": "down"}


def test_a_stalled_reader_costs_lines_and_not_time() -> None:
    lines = LogWriter(io.StringIO(), max_waiting=2)  # never started: nothing is ever taken from it

    for _ in range(5):
        lines.put("request")

    assert lines.dropped == 3


class Gone(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_left_is_no_error() -> None:
    lines = LogWriter(Gone())
    lines.start()
    lines.put("request")
    lines.close()

    assert lines.dropped == 1


def logged(sample: float, *records: RequestRecord) -> list[dict[str, Any]]:
    out = io.StringIO()
    lines = LogWriter(out)
    log = AccessLog(lines, sample, Random(3))
    for record in records:
        log.done(record)
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


HOSTILE = b'/"\\\x00\x1f\x7f\xe9</script>\n'


def test_nothing_that_a_client_sends_breaks_a_line() -> None:
    (line,) = logged(1.0, replace(GOOD, target=HOSTILE, request_id=HOSTILE, client=HOSTILE, backend='"', error='"'))

    for name in ("target", "request_id", "client"):
        assert line[name] == HOSTILE.decode("latin-1")
    assert (line["backend"], line["error"]) == ('"', '"')


def test_what_could_not_be_read_is_one_line_with_its_reason() -> None:
    line, closed = logged(
        0.0, refused_record(400, "bad_header", b"::1", 0.0), refused_record(0, "proxy_header_slow", b"::1", 0.0)
    )

    del line["time"], closed["time"]
    assert line == {"event": "refused", "reason": "bad_header", "status": 400, "client": "::1"}
    assert closed == {"event": "refused", "reason": "proxy_header_slow", "status": None, "client": "::1"}


def test_a_connection_of_tcp_mode_is_logged_if_it_failed_or_is_drawn() -> None:
    out = io.StringIO()
    lines = LogWriter(out)
    session = TcpRecord("a", 1, 0.0, 61.5, 10, 20, "", b"::1")
    AccessLog(lines, 0.0, Random(3)).tcp_done(session)
    AccessLog(lines, 0.0, Random(3)).tcp_done(replace(session, error="idle"))
    AccessLog(lines, 1.0, Random(3)).tcp_done(session)
    lines.start()
    lines.close()

    first, second = written(out)
    assert (first["event"], first["error"], second["error"]) == ("connection", "idle", "")
    assert (second["total_ms"], second["bytes_in"], second["bytes_out"]) == (61500.0, 10, 20)


def test_the_time_is_that_of_the_event_to_the_millisecond() -> None:
    line = format_line(Line(1_800_000_000.0625, "x", format_fields, {}))

    assert line == '{"time": "2027-01-15T08:00:00.062+00:00", "event": "x"}\n'


def test_lines_turn_to_another_file_between_two_of_them() -> None:
    before, after = Kept(), Kept()
    lines = LogWriter(before)
    lines.put("one")
    lines.redirect(after)
    lines.put("two")
    lines.start()
    lines.close()

    assert '"one"' in before.kept
    assert '"two"' not in before.kept
    assert before.closed
    assert '"two"' in after.kept


class Kept(io.StringIO):
    """Remembers what was written when it is closed, as a file does."""

    kept = ""

    def write(self, text: str) -> int:
        self.kept += text
        return super().write(text)


def test_portions_hold_whole_lines_up_to_the_limit() -> None:
    lines = ["1" * 30 + "\n", "2" * 30 + "\n", "3" * 200 + "\n", "4\n"]

    assert list(batches(lines, 100)) == [(2, lines[0] + lines[1]), (1, lines[2]), (1, lines[3])]
    assert list(batches(lines, 1_000)) == [(4, "".join(lines))]
    assert list(batches([], 100)) == []
