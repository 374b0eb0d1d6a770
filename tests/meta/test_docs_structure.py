"""The maps of the project are complete: rooms in docs/architecture.md, index of decisions, glossary, changelog."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "decisions"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAST = {"CHANGELOG.md"}
"""Describes what was, so it may name files that are gone."""


def first_cells(text: str) -> list[str]:
    """First cell of each row of the first table in `text`, without code marks."""
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table
    return [row.split("|")[1].strip().strip("`") for row in table[0].splitlines()[2:]]


@pytest.mark.parametrize("package", ["lb", "api", "chaos", "lab"])
def test_every_room_is_in_the_architecture(package: str) -> None:
    document = (ROOT / "docs" / "architecture.md").read_text()
    documented = first_cells(document.partition(f"## The rooms of `{package}`\n")[2])
    rooms = {path.stem for path in (ROOT / package).glob("*.py") if path.stem != "__init__"}
    rooms |= {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert sorted(documented) == sorted(rooms)


def test_every_room_has_one_place_in_the_import_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {
        contract["containers"][0]: [room.strip() for layer in contract["layers"] for room in layer.split("|")]
        for contract in contracts
        if contract["type"] == "layers" and contract.get("exhaustive") and contract["containers"][0].count(".") == 0
    }
    document = (ROOT / "docs" / "architecture.md").read_text()
    for package in ("lb", "api", "chaos", "lab"):
        documented = first_cells(document.partition(f"## The rooms of `{package}`\n")[2])
        assert sorted(layers[package]) == sorted(documented)


def test_every_decision_is_in_the_index_with_its_title_and_a_status() -> None:
    index = (DECISIONS / "README.md").read_text()
    rows = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (accepted|superseded by \d{4}|withdrawn) \|$", index, re.MULTILINE
    )
    records = {path.name: path.read_text().partition("\n")[0] for path in DECISIONS.glob("[0-9]*.md")}
    assert {name: f"# {number}: {title}" for number, name, title, _ in rows} == records
    assert all(name.startswith(number) for number, name, _, _ in rows)


def test_every_number_of_a_decision_is_accounted_for() -> None:
    index = (DECISIONS / "README.md").read_text()
    used = {int(path.name[:4]) for path in DECISIONS.glob("[0-9]*.md")}
    prose = index.partition("| number |")[0].replace("NNNN", "")
    unused = {
        number
        for first, last in re.findall(r"\b(\d{4})(?:–(\d{4}))?\b", prose)
        for number in range(int(first), int(last or first) + 1)
    }
    assert used.isdisjoint(unused)
    assert used | unused == set(range(1, max(used) + 1))


def test_the_glossary_defines_each_term_once_in_order() -> None:
    terms = first_cells((ROOT / "docs" / "glossary.md").read_text())
    assert len(set(terms)) == len(terms)
    assert terms == sorted(terms, key=lambda term: re.sub(r"\W", " ", term).lower())


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.name not in PAST], ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(
        r"`((?:lb|api|chaos|lab|tests|docs|scripts|requirements|examples)/[\w./-]+)", document.read_text()
    )
    missing = [
        path for path in named if not re.search("NAME|PACKAGE|NNNN", path) and not (ROOT / path.rstrip("./")).exists()
    ]
    assert missing == []


def test_the_changelog_has_a_section_for_this_version_below_the_unreleased_one() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert headings[1].startswith(f"[{version}] - ")
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "changelog-section"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### ")


def test_a_version_without_a_section_is_no_release() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "changelog-section", "999.0.0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "999.0.0" in done.stderr
