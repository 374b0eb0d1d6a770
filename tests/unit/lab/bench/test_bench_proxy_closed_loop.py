"""Reading what people ask for, and what wrk prints."""

from __future__ import annotations

import pytest

from lab.bench.proxy.bench_run import QUICK, Settings, shapes
from lab.bench.proxy.closed_loop import (
    LoadResult,
    Shape,
    format_size,
    parse_counts,
    parse_size,
    parse_sizes,
    percentile,
)
from lab.bench.proxy.closed_loop_wrk import parse
from lab.errors import BadArgumentsError, EnvironmentProblemError

WRK = """Running 1s test @ http://127.0.0.1:20000/bytes/64
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.58ms  300.00us  25.57ms   90.00%
    Req/Sec    22.03k   910.00    23.30k    80.00%
  Latency Distribution
     50%  812.00us
     75%    2.61ms
     90%    2.70ms
     99%    1.25s
  22030 requests in 1.10s, 4.50MB read
Requests/sec:  20027.27
Transfer/sec:      4.09MB
"""


def test_what_wrk_prints_is_read_with_its_units() -> None:
    assert parse(WRK) == LoadResult(requests=22030, seconds=1.1, errors=0, p50_s=pytest.approx(0.000812), p99_s=1.25)


def test_bad_answers_are_errors_and_do_not_count_as_requests() -> None:
    trouble = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 30\n"
    loaded = parse(WRK + trouble)
    assert (loaded.requests, loaded.errors) == (22000, 40)


def test_output_that_is_no_result_is_an_error_with_its_last_lines() -> None:
    with pytest.raises(EnvironmentProblemError, match="no result") as caught:
        parse("unable to connect to 127.0.0.1:1 Connection refused\n")
    assert caught.value.details == ("unable to connect to 127.0.0.1:1 Connection refused",)


def test_sizes_are_pairs_with_units() -> None:
    assert parse_sizes("0B:64B, 16KiB:64KiB") == ((0, 64), (16384, 65536))
    assert parse_sizes("") == ()


@pytest.mark.parametrize("text", ["64", "64KB:1", "0:64", "-1B:64B", "0B:65MiB", "0B:", "a:b", "0B:1B:2B"])
def test_a_pair_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadArgumentsError):
        parse_sizes(text)


def test_connections_are_positive_numbers() -> None:
    assert parse_counts("1, 64,512") == (1, 64, 512)
    assert parse_counts("") == ()
    for text in ("0", "64;512", "many", "10001", "-1", "²"):
        with pytest.raises(BadArgumentsError):
            parse_counts(text)


@pytest.mark.parametrize("size", [0, 1, 1000, 1024, 16 * 1024, 3 * 1024 * 1024])
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_the_percentile_is_a_value_that_was_seen() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([7.0], 0.99) == 7.0


def test_further_body_sizes_are_run_with_the_middle_number_of_connections_only() -> None:
    asked = shapes((1, 64, 512), ((0, 64), (16384, 65536)), ())
    assert asked == (Shape(1), Shape(64), Shape(512), Shape(64, 16384, 65536))
    assert asked == Settings().shapes


def test_what_is_not_asked_for_stays_as_it_was() -> None:
    assert shapes((), (), Settings().shapes) == Settings().shapes
    assert shapes((), (), QUICK.shapes) == QUICK.shapes
    assert shapes((8,), (), QUICK.shapes) == (Shape(8),)
    assert shapes((), ((0, 1),), QUICK.shapes) == (Shape(64, 0, 1),)
