"""README's results are generated or real output: markers, versions, machine, date and command are in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.cli.app import run
from lab.compare.generated_block import ENTRIES, MARKERS
from lab.compare.standard_scenarios import STANDARD_SCENARIOS, Group
from lab.compare.table import SHORT

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
FIRST_SCREEN = 45


def block(markers: tuple[str, str]) -> str:
    begin, end = markers
    assert README.count(begin) == README.count(end) == 1
    return README.partition(begin)[2].partition(end)[0]


@pytest.mark.parametrize("group", Group)
def test_it_has_a_line_for_every_scenario_of_the_league_and_a_column_for_every_balancer(group: Group) -> None:
    heads = re.escape(f" {' | '.join(ADAPTERS)} |")
    text = block(MARKERS[group])
    assert re.search(rf"^\| {SHORT[group].heading} \|(?: settings \|)?{heads}$", text, re.MULTILINE)
    lines = re.findall(r"^\| ([\w-]+) \| .*\d / (?:\d|–)", text, re.MULTILINE)
    assert [*dict.fromkeys(lines)] == [*STANDARD_SCENARIOS[group]]


TABLES = [*((markers, [*ADAPTERS]) for markers in MARKERS.values()), (ENTRIES, ["haproxy"])]


@pytest.mark.parametrize(("markers", "programs"), TABLES)
def test_a_table_says_what_it_was_made_by(markers: tuple[str, str], programs: list[str]) -> None:
    (versions,) = re.findall(r"^Versions: (.+?) *$", block(markers), re.MULTILINE)
    assert [each.split()[0] for each in versions.split(", ")] == programs
    assert all(re.fullmatch(r"\d[\w.]*|unreleased", each.split()[1]) for each in versions.split(", "))
    assert re.search(r"^Machine: \d+ CPUs of \S+", block(markers), re.MULTILINE)
    assert re.search(r"^Date: \d{4}-\d\d-\d\dT[\d:+]+, seed \d+", block(markers), re.MULTILINE)
    assert re.search(r"^Command: `lab compare .*`", block(markers), re.MULTILINE)


def test_old_beside_new_is_of_files_in_the_repository_and_has_a_sentence_for_each_fault() -> None:
    told = block(ENTRIES)
    files = re.findall(r"--entry (\w+)=(?:\w+:)?(examples/\S+)", told)
    assert [name for name, _ in files] == ["old", "new"]
    assert all((ROOT / file).is_file() for _, file in files)
    faults = re.findall(r"^\| (\w+) \| .*\d / \d", told, re.MULTILINE)
    sentences = re.findall(r"^- .*\bin (\w+)\b", told, re.MULTILINE)
    assert faults == sentences != []
    assert "too few for an interval" not in told


def test_the_adviser_says_what_readme_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = re.search(r"```console\n\$ lab (advise .*)\n((?:.*\n)*?)```", README)
    assert shown is not None
    command, excerpt = shown[1], shown[2].splitlines()
    run([*command.split()[:1], str(ROOT / command.split()[1])])
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in excerpt if line != "…" and line not in said] == []


def test_both_are_on_the_first_screen() -> None:
    lines = README.splitlines()
    for text in ("$ lab advise ", "| fault | old | new |", "than old"):
        assert next(number for number, line in enumerate(lines) if text in line) < FIRST_SCREEN
