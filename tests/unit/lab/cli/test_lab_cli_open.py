from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli import app, open_command


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that a browser was told to open, on a machine with a display and these results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(app.signal, "signal", lambda *_: None)
    urls: list[str] = []
    monkeypatch.setattr(open_command.webbrowser, "open", lambda url: not urls.append(url))
    monkeypatch.setattr(open_command.sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    for name in (
        "20261124-101500-kill-aaaa/report.html",
        "20261124-101600-kill-bbbb/plan.json",
        "20261124-101700-compare/compare.html",
        "bench proxy/report.html",
    ):
        (tmp_path / "results" / name).parent.mkdir(parents=True)
        (tmp_path / "results" / name).write_text("")
    (tmp_path / "results" / "latest").symlink_to("20261124-101500-kill-aaaa")
    return urls


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ([], "results/20261124-101500-kill-aaaa/report.html"),
        (["latest"], "results/20261124-101500-kill-aaaa/report.html"),
        (["20261124-101700-compare"], "results/20261124-101700-compare/compare.html"),
        (["results/bench proxy"], "results/bench proxy/report.html"),
        (["results/bench proxy/report.html"], "results/bench proxy/report.html"),
        (["bench proxy", "--results", "results"], "results/bench proxy/report.html"),
    ],
)
def test_the_page_of_a_run_is_opened(
    words: list[str], page: str, opened: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["open", *words]) == 0
    assert opened == [(tmp_path / page).as_uri()]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / page), (tmp_path / page).as_uri()]


def test_nothing_is_opened_where_it_is_only_printed(opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["open", "--print"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert app.run(["open", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["url"].startswith("file:///")
    assert opened == []


def test_without_a_display_no_text_browser_takes_the_terminal(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert app.run(["open"]) == 0
    assert opened == []
    assert "no browser was opened" in capsys.readouterr().out


def test_a_browser_that_does_not_start_is_reported(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(open_command.webbrowser, "open", lambda _url: False)
    assert app.run(["open"]) == 0
    assert "no browser was opened" in capsys.readouterr().out


@pytest.mark.usefixtures("opened")
def test_a_wrong_name_lists_the_runs_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["open", "kil"]) == 254
    assert capsys.readouterr().err.splitlines() == [
        "lab: there is no run 'kil'",
        "    20261124-101700-compare",
        "    20261124-101500-kill-aaaa",
        "    bench proxy",
        "  next: lab open 20261124-101700-compare",
    ]


@pytest.mark.usefixtures("opened")
def test_a_run_without_a_report_says_how_to_make_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["open", "20261124-101600-kill-bbbb"]) == 254
    assert "next: lab report 20261124-101600-kill-bbbb, or" in capsys.readouterr().err


@pytest.mark.usefixtures("opened")
def test_without_results_the_next_step_is_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["open", "--results", "elsewhere"]) == 254
    said = capsys.readouterr().err
    assert "there is no report in elsewhere/" in said
    assert "next: lab run kill" in said
