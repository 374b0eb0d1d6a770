"""README's results table is the generated one: markers, versions, machine, date and command are in it."""

from __future__ import annotations

import re
from pathlib import Path

from lab.balancers import ADAPTERS
from lab.compare.generated_block import BEGIN, END
from lab.compare.standard_scenarios import STANDARD_SCENARIOS, Group

README = Path(__file__).resolve().parents[2] / "README.md"


def block() -> str:
    text = README.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    return text.partition(BEGIN)[2].partition(END)[0]


def test_it_has_a_line_for_every_fault_of_the_league_and_a_column_for_every_balancer() -> None:
    assert f"| fault | {' | '.join(ADAPTERS)} |" in block()
    assert re.findall(r"^\| (\w+) \| .*\d / \d", block(), re.MULTILINE) == [*STANDARD_SCENARIOS[Group.FAULTS]]


def test_it_says_what_it_was_made_by() -> None:
    (versions,) = re.findall(r"^Versions: (.+?) *$", block(), re.MULTILINE)
    assert [each.split()[0] for each in versions.split(", ")] == [*ADAPTERS]
    assert all(re.fullmatch(r"\d[\w.]*|unreleased", each.split()[1]) for each in versions.split(", "))
    assert re.search(r"^Machine: \d+ CPUs of \S+", block(), re.MULTILINE)
    assert re.search(r"^Date: \d{4}-\d\d-\d\dT[\d:+]+, seed \d+", block(), re.MULTILINE)
    assert re.search(r"^Command: `lab compare .*`", block(), re.MULTILINE)
