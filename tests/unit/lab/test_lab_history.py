"""The history survives being cut anywhere, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.evidence.history import Ending, History, HistoryWriter, Outcome, invocation_fields, read_history

GET = invocation_fields("GET", "/work", None)


def write(path: Path, requests: int = 3) -> Path:
    writer = HistoryWriter(path)
    for number in range(requests):
        writer.invoke(number, number / 10, number / 10 + 0.001, GET)
    writer.flush()
    for number in range(requests):
        writer.conclude(number, number / 10 + 0.02, Ending(Outcome.OK, 200, backend="api-1", tried=("api-1",)))
    writer.close()
    return path


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    history = read_history(write(tmp_path / "history.jsonl"))
    assert history.defects == ()
    request = history.requests[1]
    assert (request.id, request.due, request.sent, request.ended) == (1, 0.1, 0.101, 0.12)
    assert (request.method, request.path, request.key) == ("GET", "/work", None)
    assert (request.outcome, request.status, request.backend, request.tried) == (Outcome.OK, 200, "api-1", ("api-1",))
    assert request.latency == pytest.approx(0.02)
    assert request.lag == pytest.approx(0.001)


def test_an_invocation_is_in_the_file_after_flush_and_its_outcome_later(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    writer = HistoryWriter(path)
    writer.invoke(0, 0.0, 0.0, GET)
    writer.flush()
    writer.conclude(0, 0.01, Ending(Outcome.OK))
    assert read_history(path).requests[0].outcome is None
    writer.close()
    assert read_history(path).requests[0].outcome is Outcome.OK


@given(cut=st.integers(min_value=0, max_value=10_000))
def test_cut_at_any_byte_it_is_readable_and_nothing_is_made_up(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = write(tmp_path_factory.mktemp("cut") / "history.jsonl")
    whole = path.read_bytes()
    kept = whole[: cut % (len(whole) + 1)]
    path.write_bytes(kept)
    history = read_history(path)
    assert len(history.requests) <= 3
    assert bool(history.defects) == (kept != b"" and not kept.endswith(b"\n"))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            '{"e":"ok","id":99,"t":1,"status":200,"instance":null,"backend":null,"tried":[],"error":null}',
            "no invocation",
        ),
        (
            '{"e":"fail","id":0,"t":1,"status":500,"instance":null,"backend":null,"tried":[],"error":null}',
            "two outcomes",
        ),
        (f'{{"e":"invoke","id":0,"due":1,"t":1,{GET}}}', "invoked twice"),
        ("not json", "line 7 is unreadable"),
        ("17", "line 7 is unreadable"),
    ],
)
def test_what_cannot_be_true_is_a_defect(line: str, complaint: str, tmp_path: Path) -> None:
    path = write(tmp_path / "history.jsonl")
    with path.open("a") as file:
        file.write(line + "\n")
    history: History = read_history(path)
    assert len(history.defects) == 1
    assert complaint in history.defects[0]
