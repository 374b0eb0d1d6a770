"""README's results tables are the generated ones: markers, versions, machine, date and command are in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.compare.generated_block import MARKERS
from lab.compare.standard_scenarios import STANDARD_SCENARIOS, Group
from lab.compare.table import SHORT

README = Path(__file__).resolve().parents[2] / "README.md"


def block(group: Group) -> str:
    text, (begin, end) = README.read_text(), MARKERS[group]
    assert text.count(begin) == text.count(end) == 1
    return text.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("group", Group)
def test_it_has_a_line_for_every_scenario_of_the_league_and_a_column_for_every_balancer(group: Group) -> None:
    heads = re.escape(f" {' | '.join(ADAPTERS)} |")
    assert re.search(rf"^\| {SHORT[group].heading} \|(?: settings \|)?{heads}$", block(group), re.MULTILINE)
    lines = re.findall(r"^\| ([\w-]+) \| .*\d / (?:\d|–)", block(group), re.MULTILINE)
    assert [*dict.fromkeys(lines)] == [*STANDARD_SCENARIOS[group]]


@pytest.mark.parametrize("group", Group)
def test_it_says_what_it_was_made_by(group: Group) -> None:
    (versions,) = re.findall(r"^Versions: (.+?) *$", block(group), re.MULTILINE)
    assert [each.split()[0] for each in versions.split(", ")] == [*ADAPTERS]
    assert all(re.fullmatch(r"\d[\w.]*|unreleased", each.split()[1]) for each in versions.split(", "))
    assert re.search(r"^Machine: \d+ CPUs of \S+", block(group), re.MULTILINE)
    assert re.search(r"^Date: \d{4}-\d\d-\d\dT[\d:+]+, seed \d+", block(group), re.MULTILINE)
    assert re.search(r"^Command: `lab compare .*`", block(group), re.MULTILINE)
