from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.errors import LedgerError
from api.ledger import Ledger


def test_what_one_instance_appends_every_instance_reads_in_order_of_time(tmp_path: Path) -> None:
    with Ledger(tmp_path, "api-1") as first, Ledger(tmp_path, "api-2") as second:
        first.append("run/1", mono=10.0, unix=1000.0)
        second.append("run/2", mono=3.0, unix=1001.0)
        first.append("run/3", mono=12.0, unix=1002.0)

        told = [(entry.id, entry.instance) for entry in second.entries()]

    assert told == [("run/1", "api-1"), ("run/2", "api-2"), ("run/3", "api-1")]


def test_a_prefix_selects_one_run(tmp_path: Path) -> None:
    with Ledger(tmp_path, "api-1") as ledger:
        ledger.append("run-1/1", 0, 0)
        ledger.append("run-2/1", 0, 0)

        assert [entry.id for entry in ledger.entries("run-2/")] == ["run-2/1"]


def test_a_restarted_instance_continues_its_file(tmp_path: Path) -> None:
    for job in ("before", "after"):
        with Ledger(tmp_path, "api-1") as ledger:
            ledger.append(job, 0, 0)

    with Ledger(tmp_path, "api-1") as ledger:
        assert [entry.id for entry in ledger.entries()] == ["before", "after"]


def test_a_torn_line_hides_only_itself(tmp_path: Path) -> None:
    with Ledger(tmp_path, "api-1") as ledger:
        ledger.append("whole", 0, 0)
        with (tmp_path / "api-2.jsonl").open("a") as other:
            other.write('{"id":"torn","inst')

        assert [entry.id for entry in ledger.entries()] == ["whole"]


def test_an_append_is_in_the_kernel_before_the_call_returns(tmp_path: Path) -> None:
    with Ledger(tmp_path, "api-1") as ledger:
        ledger.append("now", 0, 0)

        assert b'"now"' in (tmp_path / "api-1.jsonl").read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error_and_not_a_silent_loss(tmp_path: Path) -> None:
    (tmp_path / "api-1.jsonl").symlink_to("/dev/full")

    with Ledger(tmp_path, "api-1") as ledger, pytest.raises(LedgerError, match="job lost"):
        ledger.append("lost", 0, 0)


def test_what_an_instance_writes_in_anothers_name_does_not_count(tmp_path: Path) -> None:
    with Ledger(tmp_path, "api-1") as ledger:
        ledger.append("real", 0, 0)
        (tmp_path / "api-2.jsonl").write_text('{"id":"false","instance":"api-1","mono":0,"unix":0}\n')

        assert [entry.id for entry in ledger.entries()] == ["real"]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "waits-for-a-writer.jsonl")
    with Ledger(tmp_path, "api-1") as ledger:
        assert ledger.entries() == []
