"""Stop conditions: what is read out of an answer, and when that means to stop."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaos.engine.stop_condition import BLIND_S, StopConditionWatch, StopWhen, UnreadableError, is_met, read_value

METRICS = b"""# TYPE lb_in_flight gauge
lb_in_flight{backend="api-1"} 3
lb_in_flight{backend="api-2"} 4
# TYPE lb_requests counter
lb_requests_total{code="500",backend="api-1"} 12
"""
BODY = json.dumps({"panic": False, "n": 3, "list": [{"state": "up"}], "a/b": {"~": "x"}}).encode()


def condition(**fields: Any) -> StopWhen:
    return StopWhen(**({"url": "http://127.0.0.1:1/", "op": "==", "value": 200} | fields))


@pytest.mark.parametrize(
    ("read", "body", "value"),
    [
        ("status", b"whatever", 200),
        ("json:/panic", BODY, False),
        ("json:/n", BODY, 3),
        ("json:/list/0/state", BODY, "up"),
        ("json:/a~1b/~0", BODY, "x"),
        ("json:", b"7", 7),
        ('metric:lb_in_flight{backend="api-2"}', METRICS, 4),
        ("metric:lb_in_flight", METRICS, 7),
        ('metric:lb_requests_total{code="500"}', METRICS, 12),
    ],
)
def test_what_is_read(read: str, body: bytes, value: object) -> None:
    assert read_value(condition(read=read).read, 200, body) == value


@pytest.mark.parametrize(
    ("read", "body"),
    [
        ("json:/gone", BODY),
        ("json:/list", BODY),
        ("json:/list/1", BODY),
        ("json:/n/deeper", BODY),
        ("json:/n", b"{"),
        ("metric:other", METRICS),
        ('metric:lb_in_flight{backend="api-9"}', METRICS),
        ("metric:lb_in_flight", b"\xff}{"),
    ],
)
def test_what_is_not_there_cannot_be_read(read: str, body: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_value(read, 200, body)


def test_an_error_page_is_not_searched_for_values() -> None:
    with pytest.raises(UnreadableError, match="HTTP 503"):
        read_value("json:/n", 503, BODY)


@given(st.sampled_from(["json:/a/0", "metric:a"]), st.binary(max_size=200))
def test_whatever_a_service_answers_is_a_value_or_unreadable(read: str, body: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        read_value(read, 200, body)


@pytest.mark.parametrize(
    ("op", "wanted", "value", "met"),
    [
        (">", 5, 6, True),
        (">", 5, 5, False),
        (">=", 5, 5, True),
        ("<", 0.5, 0.4, True),
        ("<=", 0.5, 0.6, False),
        ("==", True, True, True),
        ("!=", "up", "down", True),
        ("!=", 200, 200, False),
    ],
)
def test_comparisons(op: str, wanted: Any, value: Any, met: bool) -> None:
    assert is_met(condition(op=op, value=wanted), value) is met


def test_what_cannot_be_ordered_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        is_met(condition(op=">", value=5), "many")


def test_a_reading_that_crosses_the_line_stops() -> None:
    judge = StopConditionWatch(condition(op="!=", value=200))
    assert judge.reading(200) is None
    assert "it was 503" in (judge.reading(503) or "")


def test_a_condition_out_of_sight_for_long_enough_stops() -> None:
    judge = StopConditionWatch(condition())
    assert judge.failed_reading("timeout", 10.0, 10.5) is None
    assert judge.reading(404) is None, "seen again: the clock starts anew"
    assert judge.failed_reading("timeout", 11.0, 11.5) is None
    assert "cannot be read: timeout" in (judge.failed_reading("timeout", 11.75, 11.0 + BLIND_S) or "")


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "https://127.0.0.1/"},
        {"url": "file:///etc/passwd"},
        {"url": "http://"},
        {"url": "http://user@127.0.0.1/"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "http://127.0.0.1/a b"},
        {"url": "http://[::1/"},
        {"read": "body"},
        {"read": "json:panic"},
        {"read": "metric:0"},
        {"op": "~"},
        {"value": None},
        {"value": [1]},
        {"every": "1s"},
    ],
)
def test_what_a_condition_cannot_be(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        condition(**fields)
