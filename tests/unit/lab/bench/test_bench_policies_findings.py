"""How findings are told: numbers, tables and the page."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from lab.bench.policies import Wanted, formatting, plots, write
from lab.bench.policies.bench_record import Bench
from lab.bench.policies.page import page
from lab.bench.policies.table import columns, markdown, tables
from tests.support.lab_bench import EXACT, OVERLOAD, bench, cell, scenario

EVEN_SHARES = {"relation": "=", "formula": "wᵢ / Σw", "each": [1 / 3, 2 / 3], "focus": 1 / 3}
RANDOM = cell("random", 0.021, theory={"latency": EXACT, "shares": EVEN_SHARES})
P2C = cell("p2c", 0.016)
DROWNED = cell("round_robin", 3.0, failed=7, slow=400, theory={"latency": OVERLOAD, "shares": None})


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "–"), (0.00712, "7.1 ms"), (0.0999, "99.9 ms"), (0.3041, "304 ms"), (3.041, "3.04 s"), (16.61, "16.6 s")],
)
def test_durations_have_three_digits_and_a_unit(seconds: float | None, told: str) -> None:
    assert formatting.duration(seconds) == told


def test_theory_is_told_with_its_relation() -> None:
    assert formatting.expected(RANDOM.theory.latency, "mean_s") == "= 20.0 ms"
    assert formatting.expected(DROWNED.theory.latency, "mean_s") == "∞"
    assert formatting.expected(None, "mean_s") == ""


def test_a_share_is_that_of_the_focus_or_else_the_range() -> None:
    assert formatting.measured_share(scenario(), RANDOM) == "33.0%"
    assert formatting.measured_share(scenario(focus=None), RANDOM) == "33.0–67.0%"


def test_few_are_never_told_as_none() -> None:
    assert formatting.part(0, 10_000) == "0"
    assert formatting.part(1, 10_000) == "<0.1%"
    assert formatting.part(33, 10_000) == "0.3%"


def test_agreement_counts_only_where_theory_is_exact() -> None:
    assert formatting.agreement(bench(RANDOM, P2C, DROWNED)).startswith(
        "Where theory is exact, the simulated mean differs from it by 5.0% in the median and by 5.0% at most (random"
    )
    assert formatting.agreement(bench(P2C)) == ""


def test_the_lowest_mean_comes_first() -> None:
    found = bench(RANDOM, DROWNED, P2C)
    assert [each.policy for each in found.of(found.scenarios[0])] == ["p2c", "random", "round_robin"]


def test_columns_without_a_word_are_left_out() -> None:
    quiet = [column.name for column in columns(scenario(), [P2C])]
    assert quiet == ["policy", "mean", "p50", "p99", "share"]
    loud = [column.name for column in columns(scenario(), [RANDOM, DROWNED])]
    assert loud == ["policy", "mean", "theory", "p50", "theory", "p99", "theory", "share", "theory", "slow", "failed"]


def test_the_tables_fit_a_terminal_of_80_columns() -> None:
    console = Console(width=80, file=StringIO())
    for table in tables(bench(RANDOM, DROWNED, P2C)):
        console.print(table)
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert re.search(r"random +21\.0 = 20\.0 +14\.7 = 14\.0 +96\.6 = 92\.0 +33\.0% = 33\.3% ", text)
    assert "…" not in text


def test_markdown_holds_a_row_for_each_policy_and_the_command() -> None:
    text = markdown(bench(RANDOM, P2C))
    assert "`lab bench policies --seeds 2 --scale 1`" in text
    assert "| random | 21.0 ms | = 20.0 ms |" in text
    assert "no policy can beat a mean of 15.0 ms" in text
    assert "| maglev | 11.0% | ≈ 10% | 1.0% |" in text
    assert "| p2c | 1.5 µs | 1.5 µs |" in text


def test_the_page_opens_offline_and_escapes_what_it_is_told() -> None:
    html = page(bench(RANDOM, DROWNED, P2C))
    assert not re.search(r"(src|href)=\"(https?:)?//", html)
    assert "<script" not in html
    assert "One &amp; two" in html
    assert "Erlang &lt;1917&gt;" in html
    style = html.split("<style>")[1].split("</style>")[0]
    assert b64encode(sha256(style.encode()).digest()).decode() in html


def test_every_plot_is_well_formed_and_says_what_it_shows() -> None:
    cells = [P2C, RANDOM, DROWNED]
    paused = scenario(changes=[{"at_s": 2.0, "condition": "paused"}, {"at_s": 5.0, "condition": "well"}])
    for world in (scenario(), scenario(focus=None), paused):
        drawn = [plots.latency(world, cells), plots.shares(world, cells), plots.over_time(world, P2C, 0.5)]
        for text in drawn:
            assert ElementTree.fromstring(text).get("role") == "img"
    assert "paused from 2 s to 5 s" in plots.over_time(paused, P2C, 0.5)
    assert "overloaded, still growing" in plots.latency(scenario(), cells)


def test_a_plot_puts_the_mean_where_theory_has_it_when_they_agree() -> None:
    exact = cell("random", 0.020, theory={"latency": EXACT, "shares": None})
    root = ElementTree.fromstring(plots.latency(scenario(), [exact]))
    at = {circle.get("class"): circle.get("cx") for circle in root.iter("circle")}
    assert at["mean stable"] == at["theory"]


def test_bench_json_reads_back_as_it_was(tmp_path: Path) -> None:
    found = bench(RANDOM, DROWNED, P2C)
    written = write(found, tmp_path / "deep" / "folder")
    assert [path.name for path in written] == ["bench.json", "report.html", "table.md"]
    assert Bench.model_validate_json(written[0].read_text(encoding="utf-8")) == found


def test_the_record_names_the_command_that_repeats_it() -> None:
    wanted = Wanted(("slow",), ("p2c", "random"), seeds=5, scale=0.5)
    assert wanted.command == "lab bench policies --scenario slow --policy p2c --policy random --seeds 5 --scale 0.5"
