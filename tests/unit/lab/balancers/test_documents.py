"""Documents whose values keep their places, and edits of them that are still the same language."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lab.balancers.configuration import Edit
from lab.balancers.documents import Node, dump, read_yaml, settled, without
from lab.errors import BadArgumentsError

TEXT = """\
# Anfang: \udce4
a: &x {b: 1, c: "two"}
list:
- one   # - not an item
# - nor this
- d: 4
  e: 5

- |
  six
  seven
last: *x
"""


TENFOLD = "w: &w [1]\n" + "".join(f"w{n}: &w{n} [{', '.join([f'*w{n - 1}' if n else '*w'] * 10)}]\n" for n in range(9))


def read(text: str) -> Node:
    return read_yaml(Path("own.yaml"), text)


def applied(text: str, edits: list[Edit]) -> str:
    for edit in reversed(edits):
        text = text[: edit.place.start] + edit.text + text[edit.place.end :]
    return text


def test_every_value_has_its_place() -> None:
    found = read(TEXT)
    written = {TEXT[each.start : each.end] for each in found.at("list").walk()}
    assert written >= {"one", "d: 4\n  e: 5", "4", "5", "|\n  six\n  seven"}
    assert [str(each.place) for each in found.at("list").listing()] == ["own.yaml:4", "own.yaml:6", "own.yaml:9"]
    assert found.at("last", "c").string() == "two"


def test_keys_are_compared_as_envoy_and_traefik_do() -> None:
    assert read("connectTimeout: 1s").at("connect_timeout").string() == "1s"
    assert not read("a: null").at("a")
    assert not read("a: 1").at("b", "c")
    assert read("a: {}").at("a")


def test_a_merged_mapping_gives_what_is_not_there() -> None:
    found = read("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}")
    assert dump(found.at("b")) == '{"x": 1, "y": 3}'


@pytest.mark.parametrize("dropped", [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]])
@pytest.mark.parametrize(
    "text",
    [
        "l: [a, {b: 1}, c]\n",
        "l:\n- a\n- b: 1\n- c\n",
        "l:\n  -  a # -\n  # - x\n  - b: 1\n\n  - c\nm: 2\n",
        '{"l": ["a",\n{"b": 1}, "c"]}',
    ],
)
def test_items_are_removed_from_any_list(text: str, dropped: list[int]) -> None:
    found = read(text).at("l")
    items = found.listing()
    edits = settled(without(found, [(items[each], "why") for each in dropped]), [])
    kept = [each for index, each in enumerate(["a", {"b": 1}, "c"]) if index not in dropped]
    assert YAML(typ="safe", pure=True).load(applied(text, edits))["l"] == kept


def test_a_block_at_the_indentation_of_its_key_can_become_a_value() -> None:
    text = "a:\n- 1\n- 2\nb:\n  c: 1\n"
    found = read(text)
    edits = [found.at("a").edit("null", "why"), found.at("b").edit("[]", "why")]
    assert YAML(typ="safe", pure=True).load(applied(text, edits)) == {"a": None, "b": []}


@pytest.mark.parametrize("text", ["l:\n- b: 1\n  c: 2\n", "l: [{b: 1, c: 2}]", "l:\n-\n    # x\n    b: 1\n    c: 2"])
def test_an_entry_is_inserted(text: str) -> None:
    edit = read(text).at("l").listing()[0].insert('"a": 0', "why")
    assert YAML(typ="safe", pure=True).load(applied(text, [edit])) == {"l": [{"a": 0, "b": 1, "c": 2}]}


def test_an_alias_survives_its_anchor() -> None:
    text = "a: &x {b: 1}\nc: *x\nd: &y 5\ne: *y\n"
    found = read(text)
    edits = settled([found.at("a").rename("f: 0", "why"), found.at("d").edit("6", "why")], [found])
    assert YAML(typ="safe", pure=True).load(applied(text, edits)) == {"f": 0, "c": {"b": 1}, "d": 6, "e": 6}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1\nb: 2", "own.yaml:2: not YAML"),
        ("a: 1\na: 2", "own.yaml:2: a is there a second time"),
        ("a: 1\n---\nb: 1", "own.yaml:2: a second document"),
        ("a: *b", "own.yaml:1: the anchor"),
        ("a: &a [*a]", "own.yaml:1: alias"),
        (f"a: {'[' * 90}", "own.yaml:1: is nested deeper than 64 levels, which no configuration is"),
        (TENFOLD, "values once"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_line(text: str, says: str) -> None:
    with pytest.raises(BadArgumentsError, match=says.replace("[", "\\[")):
        read(text)


def test_a_value_of_another_kind_is_an_error_with_its_line() -> None:
    found = read("a:\n  b: [1]\n")
    with pytest.raises(BadArgumentsError, match=r"own.yaml:2: expected a mapping"):
        found.at("a", "b", "c")
    with pytest.raises(BadArgumentsError, match=r"own.yaml:2: expected a list"):
        found.at("a").listing()
