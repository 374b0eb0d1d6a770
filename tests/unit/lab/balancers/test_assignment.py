"""Entries get a value, whether they are there or not, and every other character stays as it is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from lab.balancers.assignment import assigned
from lab.balancers.changes import apply
from lab.balancers.documents import Node, read_yaml
from lab.balancers.toml_document import read_toml

BLOCK = """\
# the edge
clusters:
- name: app   # ours
  timeout: 5s
  checks: {path: /up}
"""


def given(name: str, text: str, *values: tuple[tuple[str, ...], Any]) -> str:
    path = Path(name)
    root = (read_toml if path.suffix == ".toml" else read_yaml)(path, text)
    return apply({path: text}, assigned((root, keys, value) for keys, value in values))[path]


@pytest.mark.parametrize(
    ("keys", "value", "after"),
    [
        (("clusters", "0", "timeout"), "250ms", BLOCK.replace("5s", "250ms")),
        (("clusters", "0", "fall"), 2, BLOCK.replace("  timeout", "  fall: 2\n  timeout")),
        (("clusters", "0", "checks", "fall"), "2", BLOCK.replace("/up}", "/up, fall: 2}")),
        (("clusters", "0", "retry", "on"), "a,b", BLOCK.replace("  timeout", '  retry: {"on": "a,b"}\n  timeout')),
        (("clusters", "0", "list"), ["500", "x"], BLOCK.replace("  timeout", "  list: [500, x]\n  timeout")),
        (("clusters", "0", "flag"), "yes", BLOCK.replace("  timeout", '  flag: "yes"\n  timeout')),
    ],
)
def test_yaml_in_blocks_keeps_its_comments(keys: tuple[str, ...], value: Any, after: str) -> None:
    assert given("a.yaml", BLOCK, (keys, value)) == after


def test_new_entries_of_one_parent_are_written_together() -> None:
    after = given("a.yaml", BLOCK, (("clusters", "0", "retry", "on"), "x"), (("clusters", "0", "retry", "times"), 2))
    assert after.count("retry") == 1
    assert YAML(typ="safe").load(after)["clusters"][0]["retry"] == {"on": "x", "times": 2}


def test_windows_line_ends_stay() -> None:
    after = given("a.yaml", BLOCK.replace("\n", "\r\n"), (("clusters", "0", "fall"), 2))
    assert after == BLOCK.replace("  timeout", "  fall: 2\n  timeout").replace("\n", "\r\n")


def test_json_stays_json_and_keeps_its_style() -> None:
    text = '{\n  "clusterList": [\n    {\n      "name": "a",\n      "checks": {"path": "/up"}\n    }\n  ]\n}\n'
    after = given(
        "a.json", text, (("clusterList", "0", "checks", "time_out"), "1s"), (("clusterList", "0", "retry", "times"), 2)
    )
    assert json.loads(after)["clusterList"][0] == {
        "retry": {"times": 2},
        "name": "a",
        "checks": {"path": "/up", "time_out": "1s"},
    }
    assert '      "retry": {"times": 2},\n      "name": "a",\n' in after


def test_an_empty_mapping_is_filled() -> None:
    assert given("a.yaml", "outliers: {}\n", (("outliers", "interval"), "1s")) == "outliers: {interval: 1s}\n"


def test_the_anchored_value_of_an_alias_is_changed() -> None:
    text = "a: &x {t: 1s}\nb: *x\n"
    assert given("a.yaml", text, (("b", "t"), "2s")) == "a: &x {t: 2s}\nb: *x\n"
    assert given("a.yaml", text, (("b", "size"), "2")) == "a: &x {t: 1s, size: 2}\nb: *x\n"


TOML = """\
title = "x"

[http.services.app.loadBalancer]
  passHostHeader = true  # as before
  [[http.services.app.loadBalancer.servers]]
    url = "http://10.0.0.1"
[http.middlewares.again.retry]
  attempts = 2
"""


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("http", "middlewares", "again", "retry", "attempts"), 3),
        (("http", "services", "app", "loadBalancer", "strategy"), "p2c"),
        (("http", "services", "app", "loadBalancer", "healthCheck", "interval"), "1s"),
        (("http", "middlewares", "tuned", "retry", "attempts"), 2),
        (("http", "serversTransports", "quick", "forwardingTimeouts", "dialTimeout"), "1s"),
        (("serversTransport", "forwardingTimeouts", "dialTimeout"), "1s"),
        (("label",), "y"),
    ],
)
def test_toml_gets_the_value_and_keeps_everything_else(keys: tuple[str, ...], value: Any) -> None:
    after = given("a.toml", TOML, (keys, value))
    wanted: Any = tomllib.loads(TOML)
    inner = wanted
    for key in keys[:-1]:
        inner = inner.setdefault(key, {})
    inner[keys[-1]] = value
    assert tomllib.loads(after) == wanted
    assert "# as before" in after


def test_nothing_changes_in_the_document_itself() -> None:
    root: Node = read_yaml(Path("a.yaml"), BLOCK)
    assigned([(root, ("clusters", "0", "fall"), 2)])
    assert "fall" not in root.at("clusters").listing()[0].mapping()
