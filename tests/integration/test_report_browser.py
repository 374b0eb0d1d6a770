"""The report in a real browser: its script runs under its own policy, asks for nothing, and does what it says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.index.page import refresh
from lab.report import write_reports
from tests.support import report_samples as samples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
BROWSER_TIMEOUT_S = 60
"""Chromium starts in a second; on a loaded two-core machine it has been seen to take twenty."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


def browse(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open `page` once. What the page logs is on stderr, marked CONSOLE."""
    assert CHROMIUM is not None
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [CHROMIUM, *FLAGS, profile, "--enable-logging=stderr", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_TIMEOUT_S, check=True)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    write_reports(samples.failing(tmp_path))
    return tmp_path / "report.html"


def test_it_opens_without_a_console_message_and_its_script_runs(report: Path) -> None:
    opened = browse(report, "--dump-dom")
    assert [line for line in opened.stderr.splitlines() if "CONSOLE" in line] == []
    assert '<html lang="en" class="js">' in opened.stdout


def test_a_script_that_is_not_ours_is_refused(report: Path) -> None:
    """Shows that the silence above means something: the policy bites, and its refusal would be seen."""
    report.write_text(report.read_text().replace("</body>", "<script>document.title = 'owned'</script></body>"))
    opened = browse(report, "--dump-dom")
    assert "CONSOLE" in opened.stderr
    assert "<title>owned</title>" not in opened.stdout


def test_a_minute_at_500_requests_a_second_is_a_small_page_without_a_message(tmp_path: Path) -> None:
    history, events = samples.pausing_run(rate=500.0, end=60.0)
    judged = samples.verdict(history, "pass", samples.PASSING_CHECKS, 0.08, 0.61)
    write_reports(samples.write_run(tmp_path, history, events, judged))
    report = tmp_path / "report.html"
    assert report.stat().st_size < 6e6
    opened = browse(report, "--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND")
    assert [line for line in opened.stderr.splitlines() if "CONSOLE" in line] == []
    assert '<html lang="en" class="js">' in opened.stdout
    for outside in ("http://", "https://", " src=", "@import"):
        assert outside not in opened.stdout.replace("http://www.w3.org/2000/svg", ""), outside


@pytest.fixture
def page(report: Path) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS[1:])
        opened = browser.new_page(viewport={"width": 1400, "height": 900})
        opened.goto(report.as_uri())
        yield opened
        browser.close()


def test_the_keyboard_zooms_and_walks_through_the_marks(page: Any) -> None:
    page.focus("#chart")
    page.keyboard.press("+")
    page.wait_for_selector("#chart.zoomed")
    page.keyboard.press("n")
    first = page.inner_text("#tip")
    page.keyboard.press("n")
    assert first != page.inner_text("#tip")
    page.keyboard.press("0")
    page.wait_for_selector("#chart:not(.zoomed)")


def test_a_row_of_the_table_leads_to_its_place_on_the_axis(page: Any) -> None:
    page.click("details:has(.jump) summary")
    page.click(".jump >> nth=0")
    page.wait_for_function("() => +document.querySelector('.ticks text').textContent > 2")
    ticks = page.locator(".ticks text").all_text_contents()
    assert float(ticks[0]) < 3.01 < float(ticks[-1])
    assert float(ticks[-1]) - float(ticks[0]) < 1.0


def test_the_index_of_results_filters_its_rows_without_a_script(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    for number, scenario in enumerate(("pause", "kill", "pause")):
        folder = samples.passing(tmp_path / f"2026112{number}-120000-{scenario}-ab12")
        verdict = folder / "verdict.json"
        verdict.write_text(verdict.read_text().replace('"scenario": "pause"', f'"scenario": "{scenario}"'))
    refresh(tmp_path)
    opened = browse(tmp_path / "index.html", "--dump-dom")
    assert [line for line in opened.stderr.splitlines() if "CONSOLE" in line] == []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS[1:])
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto((tmp_path / "index.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == 390, "nothing is wider than a phone"
        shown = page.locator(".runs tbody tr:visible")
        assert shown.count() == 3
        page.click("label[for=scenario-0]")
        assert (shown.count(), page.locator(".trends tbody tr:visible").count()) == (1, 1)
        page.click("label[for=scenario-all]")
        assert shown.count() == 3
        browser.close()
