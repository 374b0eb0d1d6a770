from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.engine.journal import KEPT, Journal
from chaos.engine.records import State
from tests.support.chaos_fakes import entry


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path)


def test_the_newest_line_of_each_fault_counts(journal: Journal) -> None:
    journal.append(entry("a"))
    journal.append(entry("b"))
    journal.append(entry("a", state=State.HEALED))
    read = journal.read()
    assert {key: each.record.state for key, each in read.items()} == {"a": State.HEALED, "b": State.INJECTING}


def test_an_empty_folder_is_an_empty_journal(journal: Journal) -> None:
    assert journal.read() == {}
    assert journal.compact() == {}


@pytest.mark.parametrize("kept_bytes", [1, 20, 80])
def test_a_line_that_a_crash_tore_is_skipped_and_does_not_spoil_the_next(journal: Journal, kept_bytes: int) -> None:
    journal.append(entry("a"))
    with journal.path.open("ab") as file:
        file.write(entry("torn").model_dump_json().encode()[:kept_bytes])
    assert list(journal.read()) == ["a"]
    journal.append(entry("b"))
    assert list(journal.read()) == ["a", "b"]


def test_an_append_is_on_the_disk_when_it_returns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        synced.append(journal.path.read_bytes())

    monkeypatch.setattr(os, "fsync", fsync)
    journal.append(entry("a"))
    assert b'"id":"a"' in synced[0], "the content"
    assert len(synced) == 2, "and the folder that names it"


def test_compaction_keeps_what_is_owed_and_the_latest_of_the_rest(journal: Journal) -> None:
    journal.append(entry("unhealed", state=State.FAILED))
    for number in range(KEPT + 10):
        journal.append(entry(f"done{number}", state=State.HEALED))
    journal.compact()
    read = Journal(journal.path.parent).read()
    assert len(read) == KEPT + 1
    assert "unhealed" in read
    assert "done9" not in read
    assert "done10" in read
    assert len(journal.path.read_bytes().splitlines()) == KEPT + 1


def test_the_journal_is_for_its_owner_only(journal: Journal) -> None:
    journal.append(entry("a"))
    journal.compact()
    assert journal.path.stat().st_mode & 0o077 == 0
