from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.evidence.verdict import RunVerdict
from lab.report import job_summary
from lab.report.summary import JudgedRun
from tests.support import report_samples as samples


@pytest.fixture
def judged(tmp_path: Path) -> JudgedRun:
    folder = samples.failing(tmp_path / "run")
    return JudgedRun(RunVerdict.from_json((folder / "verdict.json").read_text()), folder)


def test_the_table_is_appended_to_the_file_that_the_job_names(
    judged: JudgedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "summary.md"
    page.write_text("# what others wrote\n")
    monkeypatch.setenv(job_summary.VARIABLE, str(page))
    assert job_summary.append([judged])
    assert page.read_text().startswith("# what others wrote\n| Scenario | Verdict |")
    assert "- ✗ fail: **" in page.read_text()


def test_elsewhere_nothing_is_written(judged: JudgedRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(job_summary.VARIABLE, raising=False)
    assert not job_summary.append([judged])


def test_a_page_that_cannot_be_written_is_said(
    judged: JudgedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(job_summary.VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentProblemError, match="job summary cannot be written"):
        job_summary.append([judged])
