"""Evidence that is damaged, and what becomes of it: a clear message and `unknown`, never a pass."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.bench.check.synthetic import write_run
from lab.errors import BadArgumentsError
from lab.evidence.events import Event, EventLog
from lab.evidence.history import HistoryWriter, invocation_fields
from lab.evidence.verdict import RunVerdict, Verdict
from lab.judge.judge import judge_folder
from lab.output.atomic_write import write_atomically

REQUESTS = 8000
Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that passes."""
    write_run(tmp_path, REQUESTS)
    assert judge_folder(tmp_path).verdict is Verdict.PASS
    return tmp_path


def change_events(folder: Path, change: Change) -> None:
    path = folder / "events.jsonl"
    events = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def complaint(verdict: RunVerdict, check: str) -> str:
    """What the check says, which must not be a pass; and the run is unknown, in its file as well."""
    found = next(each for each in verdict.checks if each.name == check)
    assert found.verdict is Verdict.UNKNOWN, found
    assert verdict.verdict is Verdict.UNKNOWN
    return found.detail


def test_a_history_cut_in_mid_line(folder: Path) -> None:
    path = folder / "history.jsonl"
    os.truncate(path, path.stat().st_size - 30)
    said = complaint(judge_folder(folder), "completeness")
    assert f"history.jsonl line {2 * REQUESTS} is incomplete" in said
    assert "1 requests have no outcome" in said


def test_a_history_damaged_in_its_middle(folder: Path) -> None:
    path = folder / "history.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[100] = b'{"e":"ok","id":"fifty","t":1.0}\n'
    path.write_bytes(b"".join(lines))
    assert "history.jsonl line 101 is unreadable" in complaint(judge_folder(folder), "completeness")


def test_a_history_that_is_gone(folder: Path) -> None:
    (folder / "history.jsonl").unlink()
    assert "history.jsonl is missing" in complaint(judge_folder(folder), "completeness")


def test_events_that_are_gone(folder: Path) -> None:
    (folder / "events.jsonl").unlink()
    said = complaint(judge_folder(folder), "completeness")
    assert "events.jsonl is missing" in said
    assert "did not come to its end" in said


def test_a_missing_ledger(folder: Path) -> None:
    change_events(folder, lambda events: [e for e in events if e["type"] not in {"ledger", "executed"}])
    assert complaint(judge_folder(folder), "work") == "the backends' ledgers could not be read"


def test_a_clock_that_stepped_between_two_services(folder: Path) -> None:
    step = {"t": 9.0, "source": "lab", "type": "clock", "of": "lb", "offset_s": 0.5, "error_s": 0.0001}
    change_events(folder, lambda events: [*events, step])
    assert complaint(judge_folder(folder), "clocks") == "the clock of lb stepped during the run"


def test_a_clock_that_was_set_moves_nothing_and_leaves_nothing_to_believe(folder: Path) -> None:
    before = judge_folder(folder)
    step = {"t": 1.0, "source": "lab", "type": "wall_step", "by_s": 3600.0}
    change_events(folder, lambda events: [*events, step])
    after = judge_folder(folder)
    assert "the host's clock was set" in complaint(after, "clocks")
    assert (after.faults, after.requests, after.work) == (before.faults, before.requests, before.work)


def test_an_interrupted_run(folder: Path) -> None:
    reason = {"t": 1.9, "source": "lab", "type": "interrupted", "reason": "it was cancelled"}
    change_events(folder, lambda events: [*(e for e in events if e["type"] != "run_ended"), reason])
    assert complaint(judge_folder(folder), "completeness") == "the run was interrupted: it was cancelled"


def test_an_interrupted_run_that_failed_by_then_is_unknown_all_the_same(folder: Path) -> None:
    change_events(folder, lambda events: [e for e in events if e["type"] != "run_ended" and e.get("new") != "up"])
    assert judge_folder(folder).verdict is Verdict.UNKNOWN


def test_a_plan_that_is_gone_leaves_nothing_to_judge(folder: Path) -> None:
    (folder / "plan.json").unlink()
    with pytest.raises(BadArgumentsError, match="is not the folder of a run"):
        judge_folder(folder)


def test_a_full_disk_stops_the_writers_with_its_name() -> None:
    """/dev/full is a disk without space. What the experiment makes of it: test_lab_experiment_run."""
    full = Path("/dev/full")
    writer = HistoryWriter(full)
    writer.invoke(0, 0.0, 0.0, invocation_fields("GET", "/", None))
    with pytest.raises(OSError, match="No space left"):
        writer.flush()
    with pytest.raises(OSError, match="No space left"):
        EventLog(full).write(Event(0.0, "lab", "phase"))


def test_an_event_that_the_kernel_takes_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    log = EventLog(tmp_path / "events.jsonl")
    event = Event(1.0, "lab", "phase", {"name": "settle"})
    log.write(event)
    assert (tmp_path / "events.jsonl").read_text() == event.to_line()


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "verdict.json").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "verdict.json", "{}")
    assert [each.name for each in tmp_path.iterdir()] == ["verdict.json"]
