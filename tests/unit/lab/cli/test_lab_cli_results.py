"""`lab results`: the table, the document and the page of a results folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app
from tests.support import report_samples as samples


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    for day in (1, 2, 3):
        samples.passing(tmp_path / "results" / f"2026110{day}-120000-pause-ab12")
    return tmp_path / "results"


def test_the_newest_runs_are_shown_and_the_older_ones_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["results", "--last", "2"]) == 0
    told = capsys.readouterr().out
    assert told.index("2026-11-03 12:00:00") < told.index("2026-11-02 12:00:00")
    assert "2026-11-01" not in told
    assert "1 older: --last 3, or --html" in told


def test_with_json_all_fields_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["results", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["made"][:10] for each in document["runs"]] == ["2026-11-03", "2026-11-02", "2026-11-01"]
    assert document["runs"][0]["points"][0]["scenario"] == "pause"


def test_the_page_is_written_and_its_path_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["results", "--html"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "index.html")
    assert (folder / "index.html").read_text().count("2026-11-0") == 3


def test_a_page_of_somebody_else_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "index.html").write_text("mine")
    assert app.run(["results", "--html"]) == 254
    assert "is not a file of the lab" in capsys.readouterr().err
    assert (folder / "index.html").read_text() == "mine"


def test_an_empty_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other").mkdir()
    assert app.run(["results", "--results", "other"]) == 0
    assert capsys.readouterr().out == "no runs in other\n"
