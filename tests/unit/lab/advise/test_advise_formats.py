from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support import failover_settings as known

from lab.advise.advice import Advice, advise
from lab.advise.formats import as_json, markdown, sarif
from lab.advise.prediction import Fault, Situation
from lab.balancers.configuration import Configuration, Place, Pool, Server, Unknown
from lab.cli.advise_view import show
from lab.output.terminal import Terminal


@pytest.fixture
def advice() -> Advice:
    place = Place(Path.cwd() / "my conf" / "prod.cfg", 40, 0, 0)
    pool = Pool("app", place, tuple(Server(f"s{n}", f"10.0.0.{n}:80", place) for n in range(3)), known.HAPROXY_DEFAULT)
    unknown = (Unknown("option strange | thing", place),)
    return advise(Configuration("haproxy", {}, (), (pool,), unknown), pool, Situation(3))


def test_sarif_has_what_its_schema_requires(advice: Advice) -> None:
    log: dict[str, Any] = json.loads(json.dumps(sarif(advice)))
    # sarifLog: version, runs; run: tool; tool: driver; toolComponent: name; reportingDescriptor: id; result: message;
    # artifactLocation needs a URI reference, region a line of at least 1.
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    assert all(rule["helpUri"].startswith("https://") for rule in driver["rules"])
    assert len(run["results"]) == len(advice.findings) > 0
    for result in run["results"]:
        assert result["message"]["text"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        physical = result["locations"][0]["physicalLocation"]
        assert physical["region"]["startLine"] >= 1
    assert physical["artifactLocation"]["uri"] == "my%20conf/prod.cfg"


def test_json_has_every_fault_and_the_place_of_every_term(advice: Advice) -> None:
    document = json.loads(json.dumps(as_json(advice)))
    assert [each["fault"] for each in document["predictions"]] == [str(each) for each in Fault]
    pause = document["predictions"][1]["notice"]["worst"]
    assert pause["seconds"] == pytest.approx(sum(term["seconds"] for term in pause["terms"]))
    assert all(one["source"] for term in pause["terms"] for one in term["inputs"])


def test_markdown_keeps_the_columns_of_a_directive_with_a_bar(advice: Advice) -> None:
    assert "option strange \\| thing" in markdown(advice)


def test_a_terminal_of_80_columns_is_wide_enough(advice: Advice) -> None:
    console = Terminal(width=80, highlight=False, markup=False)
    with console.capture() as captured:
        show(advice, console)
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80
    table = next(line for line in text.splitlines() if line.startswith("pause "))
    assert table.split()[1:5] == ["12.05", "s", "11", "s"]  # 2 + 3·2 + 2·2 + m; on average 1 + 6 + 4
    assert "no-redispatch" not in text
    assert "Every retry goes to the server that failed" in text
