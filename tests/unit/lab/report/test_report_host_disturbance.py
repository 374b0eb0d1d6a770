from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lab.evidence.events import Event, Events
from lab.report.host_disturbance import busy_host, host_stalls
from lab.report.html import html
from lab.report.junit import junit
from lab.report.run_files import Run
from lab.report.summary import JudgedRun, markdown, summary
from tests.support import report_samples as samples


def stall(since: float, until: float, **seen: float) -> Event:
    return Event(until, "lab", "stall", {"since": since, **seen})


STALLS = Events((stall(1.0, 1.1, cpu_pressure=0.8), stall(1.1, 1.2, cpu_pressure=0.96), stall(3.0, 3.25, late_s=0.23)))


def test_stalls_that_overlap_or_touch_count_once() -> None:
    assert host_stalls(STALLS).spans == ((1.0, 1.2), (3.0, 3.25))
    assert round(host_stalls(STALLS).total_s, 6) == 0.45


def test_the_sentence_says_how_long_how_much_and_what_to_do() -> None:
    told = busy_host(STALLS)
    assert told.startswith("The host was busy for 0.45 s of the run (it stalled for up to 0.23 s; ")
    assert "96%" in told
    assert "failed requests still count: stop other work" in told


def test_of_a_quiet_host_nothing_is_said() -> None:
    assert busy_host(Events(())) == ""


def test_a_stall_that_was_recorded_badly_breaks_nothing() -> None:
    assert busy_host(Events((Event(2.0, "lab", "stall", {"since": "x", "late_s": None}),))).startswith(
        "The host was busy"
    )


def test_terminal_markdown_junit_headline_and_timeline_tell_of_a_busy_host() -> None:
    history, _ = samples.pausing_run(rate=5.0)
    verdict = samples.verdict(history, "pass", samples.PASSING_CHECKS, 0.08, 0.61)
    run = Run(folder="run-1", verdict=verdict, events=STALLS)
    judged = JudgedRun(verdict, Path("results/run-1"), busy_host(STALLS))
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(summary([judged]))
    *_, said, _, report = out.getvalue().splitlines()[-3:]
    assert said.startswith("! pause: The host was busy for 0.45 s") or "run it again." in said
    assert report.startswith("report ")
    assert "The host was busy" in markdown([judged])
    assert "The host was busy" in junit(run)
    page = html(run)
    assert page.index("The host was busy") < page.index("<main>")
    assert page.count('class="stall"') == 2
    quiet = html(replace(run, events=Events(())))
    assert "host was busy" not in quiet
    assert 'class="stall"' not in quiet
