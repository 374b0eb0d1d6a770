"""Scenario files that are small as text and endless as documents, and what an error message quotes of any file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import BadArgumentsError
from lab.output.inert import MAX_LINE
from lab.scenario.file_reader import load_scenario, parse_scenario
from lab.scenario.model_file import ModelFileError
from lab.scenario.yaml_limits import MAX_DEPTH, find_excess

HEAD = "version: 1\nload: {rate: 1/s}\n"
TENFOLD = "".join(f"w{n}: &w{n} [{', '.join([f'*w{n - 1}' if n else 'x'] * 10)}]\n" for n in range(9))


def refusal(text: str) -> str:
    with pytest.raises(ModelFileError) as refused:
        parse_scenario(text, "own.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (TENFOLD, 5, "20,000 values"),
        ("title:\n" + "".join(f"- {each}\n" for each in TENFOLD.splitlines()), 6, "20,000 values"),
        (f"{HEAD}steps: {'[' * 4000}", 3, f"deeper than {MAX_DEPTH} levels"),
        (f"{HEAD}steps: {'{a: ' * 4000}", 3, f"deeper than {MAX_DEPTH} levels"),
        ("- " * 60_000, 1, f"deeper than {MAX_DEPTH} levels"),
        (f"{HEAD}steps: &all [kill, *all]\n", 3, "is inside the value that it refers to"),
        (f"{HEAD}title: {'x' * 20_000}\n", 3, "16,384 characters"),
        (f"{HEAD}steps: [{'1,' * 30_000}]\n", 3, "20,000 values"),
    ],
    ids=["aliases", "aliases in a list", "lists", "mappings", "dashes", "itself", "a long value", "many values"],
)
def test_what_grows_without_end_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    told = refusal(text)
    assert told.startswith(f"own.yaml:{line}: "), told
    assert says in told


@pytest.mark.parametrize("value", ["2024-13-45", f"{'9' * 5000}", f"0x{'f' * 5000}", "!!float x", "!!int '-'"])
def test_a_value_that_python_cannot_read_is_no_internal_error(value: str) -> None:
    assert "own.yaml:" in refusal(f"version: {value}\ntitle: x\n")


@pytest.mark.parametrize(
    "text",
    [
        f"title: {[['x' * 50] * 50] * 50}\n",
        f"{'k' * 9000}: 1\n",
        'title: ["\\e[31m\\x9b red \\u202e"]\n',
        f"load: {{rate: '{'9' * 9000}/s'}}\n",
        f"load: {{pacing: {'x' * 9000}}}\n",
    ],
)
def test_an_error_quotes_one_bounded_inert_line(text: str) -> None:
    for line in refusal(text).splitlines():
        assert len(line) <= MAX_LINE
        assert line.isprintable()


def test_a_file_that_never_ends_is_read_no_further_than_the_limit() -> None:
    with pytest.raises(BadArgumentsError, match="larger than"):
        load_scenario(Path("/dev/zero"))


def test_anchors_as_people_use_them_are_within_the_limits() -> None:
    assert find_excess("a: &a {b: [1, 2], c: &c text}\nd: [*a, *a, *c]\ne: {<<: *a}\n") is None
