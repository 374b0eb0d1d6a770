"""Actions of the workflows are pinned by commit: whoever owns or takes an action can move its tags to other code."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = [ROOT / "action.yml", ROOT / "lab/runtime/attached/templates/failover.yml.j2"]
WORKFLOWS = sorted([*ROOT.glob(".github/**/*.yml"), *ROOT.glob(".github/**/*.yaml"), *ELSEWHERE])
USES = re.compile(r"^\s*(?:-\s+)?uses:\s*(.*)$", re.MULTILINE)
PINNED = re.compile(r"([\w.-]+/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")


def used() -> list[str]:
    return [f"{path.name}: {each}" for path in WORKFLOWS for each in USES.findall(path.read_text())]


def test_every_action_is_pinned_by_commit_and_names_its_version() -> None:
    assert used()
    assert [each for each in used() if not PINNED.fullmatch(each.partition(": ")[2])] == []


def test_an_action_has_one_version_everywhere() -> None:
    versions = defaultdict(set)
    for each in used():
        if pinned := PINNED.fullmatch(each.partition(": ")[2]):
            versions[pinned[1]].add((pinned[2], pinned[3]))
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
