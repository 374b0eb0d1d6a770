"""`report.html` and `junit.xml` as files: complete, self-contained, safe, and small."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from pathlib import Path

import pytest

from lab.evidence.verdict import Check, Verdict
from lab.report import write_reports
from lab.report.html import bad_requests, facts, grouped, html
from lab.report.run_files import load
from lab.report.timeline.chart import timeline
from tests.support import report_samples as samples

CSS = resources.files("lab.report.templates").joinpath("report.css").read_text()


def test_both_files_appear_and_nothing_else(tmp_path: Path) -> None:
    before = {path.name for path in samples.passing(tmp_path).iterdir()}
    write_reports(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} - before == {"report.html", "junit.xml"}


@pytest.mark.parametrize("sample", [samples.passing, samples.failing, samples.torn, samples.interrupted])
def test_every_kind_of_run_gets_a_report_that_asks_the_network_for_nothing(tmp_path: Path, sample) -> None:
    page = html(load(sample(tmp_path)))
    links = re.findall(r"""(?:src|href|action|data|poster)=["']([^"']*)""", page) + re.findall(r"url\((.*?)\)", page)
    assert [link for link in links if not link.startswith("#")] == []
    assert "@import" not in page


def test_the_policy_allows_exactly_the_style_and_the_script_inside(tmp_path: Path) -> None:
    page = html(load(samples.passing(tmp_path)))
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src &#39;none&#39;;")
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert b64encode(sha256(content.encode()).digest()).decode() in policy
    assert not re.search(r"""\s(?:style|on\w+)=["']""", page), "inline handlers and styles would be refused"


def test_an_interrupted_run_says_what_is_missing(tmp_path: Path) -> None:
    page = html(load(samples.interrupted(tmp_path)))
    assert "verdict.json is missing" in page
    assert "The run was not judged." in page


def test_bad_requests_carry_what_explains_them(tmp_path: Path) -> None:
    rows = bad_requests(load(samples.failing(tmp_path)))
    assert {(row["fault"], row["phase"]) for row in rows} == {
        ("pause on api-2", "before detection"),
        ("pause on api-2", "after the bound"),
    }
    assert sum(count for *_, count in grouped(rows)) == len(rows)


def test_a_bad_request_that_the_verdict_does_not_explain_is_called_so(tmp_path: Path) -> None:
    history, events = samples.pausing_run()
    judged = samples.verdict([], "fail", samples.FAILING_CHECKS, 0.0, 0.0)
    rows = bad_requests(load(samples.write_run(tmp_path, history, events, judged)))
    assert rows
    assert {row["phase"] for row in rows} == {"unexplained"}


def test_text_from_the_network_is_escaped(tmp_path: Path) -> None:
    history, events = samples.failing_run()
    for line in history:
        if line["e"] == "fail":
            line["error"] = "</script><img src=x onerror=alert(1)>"
    nasty = [Check("<b>", Verdict.FAIL, "</script><script>alert(1)</script>")]
    run_dir = samples.write_run(tmp_path, history, events, samples.verdict(history, "fail", nasty, 0.0, 0.0))
    page = html(load(run_dir))
    assert "<img" not in page
    assert "<script>alert" not in page


def test_thirty_thousand_requests_stay_below_six_megabytes(tmp_path: Path) -> None:
    """The size that issue and reader care about: 60 s at 500/s."""
    page = html(load(samples.passing(tmp_path, rate=3000.0)))
    assert len(page.encode()) < 6_000_000


def test_thirty_thousand_bad_requests_do_too(tmp_path: Path) -> None:
    history = [line for n in range(30_000) for line in samples.timed_out(n, n / 3000, "GET")]
    page = html(load(samples.write_run(tmp_path, history, [], None)))
    assert len(page.encode()) < 6_000_000
    assert "the first 2000; all are in history.jsonl" in page


def test_the_facts_name_what_is_needed_to_do_it_again(tmp_path: Path) -> None:
    told = facts(load(samples.passing(tmp_path)))
    assert told["seed"] == "7"
    assert told["runtime"] == "local"
    assert "200 requests/s" in told["load"]


def test_a_check_becomes_a_test_case(tmp_path: Path) -> None:
    write_reports(samples.failing(tmp_path))
    (suite,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.attrib["tests"], suite.attrib["failures"], suite.attrib["errors"]) == ("4", "2", "0")
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert {case.attrib["classname"] for case in cases.values()} == {"reroute.local.pause"}
    failure = cases["reroute_within_bound"].find("failure")
    assert failure is not None
    assert "2.60 s > 1.52 s" in failure.attrib["message"]
    assert cases["fault_bit"].find("failure") is None
    assert {p.attrib["name"]: p.attrib["value"] for p in suite.iter("property")}["seed"] == "7"


def not_asserted(run_dir: Path) -> Path:
    history, events = samples.pausing_run()
    checks = [Check.not_asserted("latency"), *samples.PASSING_CHECKS]
    return samples.write_run(run_dir, history, events, samples.verdict(history, "pass", checks, 0.08, 0.61))


def test_what_is_not_asserted_is_skipped_with_its_reason(tmp_path: Path) -> None:
    write_reports(not_asserted(tmp_path))
    root = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert {suite.attrib["skipped"] for suite in root.iter() if "skipped" in suite.attrib} == {"1"}
    [skipped] = root.iter("skipped")
    assert skipped.attrib["message"] == "not asserted by the scenario"


def test_what_is_not_asserted_is_neither_green_nor_first(tmp_path: Path) -> None:
    page = html(load(not_asserted(tmp_path)))
    badges = re.findall(r'<span class="badge ([\w-]+)">([^<]+)</span></td><th scope="row">(\w+)', page)
    assert badges[-1] == ("not-asserted", "not asserted", "latency")
    assert [kind for kind, *_ in badges].count("pass") == len(samples.PASSING_CHECKS)
    assert "Every check passed; 1 was not asserted." in page


def test_of_an_unknown_run_what_makes_it_so_comes_first_and_a_fail_counts_for_nothing(tmp_path: Path) -> None:
    history, events = samples.pausing_run()
    checks = [*samples.FAILING_CHECKS, *samples.UNKNOWN_CHECKS]
    page = html(load(samples.write_run(tmp_path, history, events, samples.verdict(history, "unknown", checks, 0, 0))))
    badges = re.findall(r'<span class="badge ([\w-]+)">([^<]+)</span>', page)
    assert badges[:3] == [("unknown", "unknown"), ("fail", "fail, not counted"), ("fail", "fail, not counted")]


@pytest.mark.parametrize("sample", [samples.torn, samples.interrupted])
def test_unknown_is_an_error_so_that_no_ci_counts_it_as_passed(tmp_path: Path, sample) -> None:
    write_reports(sample(tmp_path))
    (suite,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.attrib["errors"] == "1"
    assert len(list(suite.iter("error"))) == 1


def test_junit_survives_control_characters(tmp_path: Path) -> None:
    checks = [Check("a", Verdict.FAIL, "socket said \x00\x1b[31m")]
    history, events = samples.pausing_run()
    write_reports(samples.write_run(tmp_path, history, events, samples.verdict(history, "fail", checks, 0.0, 0.0)))
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().find(".//failure") is not None


def palettes() -> list[dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    first = dict(re.findall(r"--([\w-]+): (#\w{6})", light))
    return [first, first | dict(re.findall(r"--([\w-]+): (#\w{6})", dark))]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


TEXT_ON = [
    (ink, paper) for ink in ("ink", "muted", "slow", "unknown", "failed", "left", "pass") for paper in ("paper", "card")
]
TEXT_ON += [(f"{state}-ink", state) for state in ("up", "suspected", "down", "ejected", "drain", "grey")]
TEXT_ON += [("pass", "pass-soft"), ("failed", "fail-soft"), ("doubt", "doubt-soft"), ("ink", "doubt-soft")]


@pytest.mark.parametrize("palette", palettes(), ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), TEXT_ON)
def test_text_has_the_contrast_that_wcag_aa_asks_for(palette: dict[str, str], ink: str, paper: str) -> None:
    assert contrast(palette[ink], palette[paper]) >= 4.5


def test_every_class_of_health_state_and_mark_has_a_rule() -> None:
    for name in ("up", "suspected", "down", "ejected", "drain"):
        assert f".state.{name} " in CSS
    for look in ("slow", "unknown", "failed", "left"):
        assert f".mark.{look} " in CSS


def test_the_chart_is_complete_without_script(tmp_path: Path) -> None:
    run = load(samples.passing(tmp_path))
    page = html(run)
    assert timeline(run) in page
    assert page.index("</svg>") < page.index("<script>")


def test_a_pass_with_damaged_evidence_is_unknown_in_both_files(tmp_path: Path) -> None:
    (samples.passing(tmp_path) / "events.jsonl").unlink()
    write_reports(tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert '<span class="verdict">unknown</span>' in page
    assert "<title>unknown:" in page
    assert "events.jsonl is missing" in page
    assert "Every check passed." not in page
    (suite,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.attrib["errors"] == "1"
    (error,) = suite.iter("error")
    assert "events.jsonl is missing" in error.attrib["message"]
