"""The page of the index: links, trends, filters, and that it replaces nothing that is not the lab's."""

from __future__ import annotations

import multiprocessing
import re
from pathlib import Path

import pytest

from lab.index.listing import Listed, Listing, Point
from lab.index.page import FILE, indexed, is_foreign, page, refresh
from lab.index.trends import sparkline, trends
from tests.support import report_samples as samples


def listed(number: int, scenario: str = "pause", entry: str = "reroute", kind: str = "run", **fields: object) -> Listed:
    points = (Point(scenario, entry, number, number / 10),)
    known = {"page": "report.html", "scenarios": (scenario,), "entries": (entry,), "points": points}
    return Listed(f"f{number}", f"2026-11-2{number}T12:00:00+00:00", kind, **(known | fields))  # type: ignore[arg-type]


def test_trends_are_oldest_first_and_keep_ways_of_measuring_apart() -> None:
    found = trends([listed(3), listed(2, kind="comparison"), listed(1), listed(1, "kill")])
    assert [(each.scenario, each.method, [point.failed for _, point in each.points]) for each in found] == [
        ("kill", "run", [1]),
        ("pause", "comparison", [2]),
        ("pause", "run", [1, 3]),
    ]


def test_a_sparkline_reaches_from_zero_to_the_largest_value_and_leaves_gaps() -> None:
    drawn = sparkline([0.0, 2.0, None, 1.0], "reroute", "s")
    assert "M4 28L61.33 4M176 16" in drawn
    assert "<title>reroute: 1.00 s; 0.00 s to 2.00 s in 4 runs</title>" in drawn
    assert sparkline([None], "x") == ""
    assert "nan" not in sparkline([0.0], "x")


def test_every_row_can_be_filtered_and_links_to_its_page() -> None:
    both = listed(2, kind="comparison", scenarios=("kill", "pause"), entries=("old", "reroute"))
    text = page(Listing((both, listed(1, "kill", "old"))))
    assert 'href="f1/report.html"' in text
    rows = re.findall(r'<tr class="(\w+)" data-scenario="([\d ]*)" data-entry="([\d ]*)">', text)
    assert rows == [("comparison", "0 1", "0 1"), ("run", "0", "0")]
    assert 'body:has(#scenario-1:checked) [data-scenario]:not([data-scenario~="1"]) { display: none; }' in text


def test_foreign_text_is_inert_and_there_is_no_script() -> None:
    bad = '"><script>alert(1)</script>'
    text = page(Listing((Listed(bad, bad, "run", "report.html", told=bad, scenarios=(bad,), entries=(bad, "b")),)))
    assert "<script" not in text
    assert "script-src" not in text


def test_an_empty_folder_says_how_to_begin() -> None:
    assert "There are no runs yet" in page(Listing(()))
    assert "7 older ones are not listed" in page(Listing((listed(1),), older=7))


def test_it_is_written_at_the_end_also_after_an_error(tmp_path: Path) -> None:
    samples.passing(tmp_path / "20261120-120102-pause-ab12")
    with pytest.raises(KeyboardInterrupt), indexed(tmp_path):
        raise KeyboardInterrupt
    assert "20261120-120102-pause-ab12/report.html" not in (tmp_path / FILE).read_text()
    (tmp_path / "20261120-120102-pause-ab12" / "report.html").write_text("")
    refresh(tmp_path)
    assert "20261120-120102-pause-ab12/report.html" in (tmp_path / FILE).read_text()


def test_a_page_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("<h1>My site</h1>")
    refresh(tmp_path)
    assert (tmp_path / FILE).read_text() == "<h1>My site</h1>"
    assert is_foreign(tmp_path)


def test_a_folder_that_has_none_is_left_alone_unless_asked(tmp_path: Path) -> None:
    refresh(tmp_path, begin=False)
    assert not (tmp_path / FILE).exists()
    refresh(tmp_path)
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text().replace("no runs yet", "NO"))
    refresh(tmp_path, begin=False)
    assert "no runs yet" in (tmp_path / FILE).read_text()


def test_a_folder_that_is_not_there_or_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    refresh(tmp_path / "gone")
    (tmp_path / FILE).mkdir()
    refresh(tmp_path)


def write_often(folder: Path) -> None:
    for _ in range(5):
        refresh(folder)


def test_several_processes_can_write_it_at_a_time(tmp_path: Path) -> None:
    for number in range(3):
        samples.passing(tmp_path / f"20261120-12010{number}-pause-ab12")
    refresh(tmp_path)
    expected = (tmp_path / FILE).read_text()
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(tmp_path,)) for _ in range(3)]
    for each in writers:
        each.start()
    while any(each.is_alive() for each in writers):
        assert (tmp_path / FILE).read_text() == expected
    assert [each.exitcode for each in writers] == [0] * 3
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [FILE]
