"""Whatever was recorded: what leaves the lab controls nothing, and every file is well-formed for its format."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from rich.table import Table
from rich.text import Text

from lab.evidence.events import Event
from lab.evidence.verdict import Check, RunVerdict, Verdict
from lab.output.atomic_write import write_atomically
from lab.output.inert import inert, markdown, one_line, quoted
from lab.output.json_text import dumps, loads
from lab.output.terminal import Terminal
from lab.report.html import html
from lab.report.junit import junit
from lab.report.run_files import Run
from lab.report.summary import JudgedRun, summary
from lab.report.summary import markdown as summary_markdown
from tests.support import report_samples as samples

ANYTHING = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=40)
HOSTILE = "\x1b]0;owned\x07\x9b31m\x00\x7f\u202e\u200b\ufeff\ud83d|\\|`<script>&[a](b)*\n# heading\r\u2028"


@given(ANYTHING)
def test_inert_text_shows_all_that_it_holds_and_stays_as_it_is(text: str) -> None:
    shown = inert(text)
    assert shown.isprintable()
    assert inert(shown) == shown
    shown.encode("utf-8")
    assert inert(text, keep="\n").replace("\n", "").isprintable()


@given(ANYTHING, st.integers(1, 60))
def test_a_quoted_line_is_one_bounded_line(text: str, long: int) -> None:
    assert len(one_line(text, long)) <= long
    assert quoted([text, {text: text}]).isprintable()


@given(ANYTHING)
def test_a_markdown_cell_has_no_bar_no_line_break_and_no_markup(text: str) -> None:
    cell = markdown(text)
    assert cell.isprintable()
    assert "|" not in cell.replace("\\|", "")
    assert "\\" not in cell.replace("\\|", ""), "a backslash before a bar would let it end the cell"
    assert not set("<`*[") & set(cell)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANYTHING, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_is_ascii_that_every_reader_takes(document: object) -> None:
    text = dumps(document)
    assert text.isascii()
    assert text.isprintable()

    def not_a_number(word: str) -> None:
        raise AssertionError(word)

    json.loads(text, parse_constant=not_a_number)
    json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")


def test_json_nested_deeper_than_python_follows_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        loads("[" * 100_000)


def judged(checks: list[Check], text: str) -> RunVerdict:
    history, _ = samples.pausing_run(rate=5.0)
    names = {"run_id": text, "scenario": text, "runtime": text, "balancer": text}
    return replace(samples.verdict(history, "fail", checks, 0.1, 0.1), **names)


def hostile_run(text: str) -> Run:
    """A run whose verdict, events and names all hold the text."""
    verdict = judged([Check(text, Verdict.FAIL, text), Check(text, Verdict.PASS, text)], text)
    run = Run(folder=text, verdict=verdict, problems=[text])
    run.events = type(run.events)((Event(0.1, "lab", "config", {"config": {text: text}}),))
    return run


@settings(max_examples=40, deadline=None)
@given(ANYTHING)
def test_reports_of_a_hostile_run_are_well_formed(text: str) -> None:
    run = hostile_run(text + HOSTILE)
    root = ElementTree.fromstring(junit(run).encode("utf-8"))
    assert all(each.isprintable() for case in root.iter("testcase") for each in case.attrib.values())
    page = html(run)
    page.encode("utf-8")
    assert "<script>&" not in page
    assert not [each for each in page if not each.isprintable() and each not in "\n\t"]
    table = summary_markdown([JudgedRun(run.verdict, Path("results"))]) if run.verdict else ""
    assert not [each for each in table if not each.isprintable() and each != "\n"]


def printed(*texts: object, colour: bool = False) -> str:
    out = io.StringIO()
    Terminal(
        file=out, width=300, markup=False, force_terminal=colour, color_system="standard" if colour else None
    ).print(*texts)
    return out.getvalue()


def test_nothing_recorded_controls_the_terminal() -> None:
    table = Table(HOSTILE)
    table.add_row(HOSTILE, Text(HOSTILE, "bold"))
    verdict = judged([Check(HOSTILE, Verdict.FAIL, HOSTILE)], HOSTILE)
    for what in (HOSTILE, Text(HOSTILE), table, summary([JudgedRun(verdict, Path(HOSTILE.replace("\x00", "")))])):
        shown = printed(what)
        assert not [each for each in shown if not each.isprintable() and each != "\n"]
        assert "\\x1b]0;owned" in shown


def test_the_labs_own_colours_still_reach_the_terminal() -> None:
    assert printed(Text("pass", "bold green"), colour=True) == "\x1b[1;32mpass\x1b[0m\n"


def test_a_file_is_utf_8_whatever_it_holds(tmp_path: Path) -> None:
    write_atomically(tmp_path / "page.html", "name \udcff")
    assert (tmp_path / "page.html").read_text("utf-8") == "name \\udcff"
