"""From samples to medians, ratios and a page."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from lab.bench.proxy.closed_loop import LoadResult, Shape
from lab.bench.proxy.contenders import ALL
from lab.bench.proxy.idle import Idle
from lab.bench.proxy.page import page
from lab.bench.proxy.result import Entrant, Report, Sample, usable
from lab.bench.proxy.table import tables

SHAPE = Shape(64)


def sample(contender: str, number: int, cpu_us: float, requests: int = 1000, errors: int = 0) -> Sample:
    return Sample(contender, SHAPE, number, cpu_us * requests / 1e6, LoadResult(requests, 2.0, errors, 0.001, 0.004))


def report(*samples: Sample) -> Report:
    names = dict.fromkeys(s.contender for s in samples)
    return Report(
        started="2026-11-22T10:00:00+00:00",
        command="lab bench proxy",
        machine={"cpu": "an <odd> one"},
        generator="wrk",
        backends="nginx",
        baseline="haproxy",
        seconds=2,
        rounds=3,
        entrants=[*(Entrant(name, "1.0") for name in names), Entrant("envoy", None, "not installed: pip install it")],
        samples=list(samples),
        idle={"reroute": Idle(1000, 990, 3072.0)},
    )


def test_the_ratio_is_taken_inside_each_round_so_that_slow_rounds_do_not_bend_it() -> None:
    # The first round ran on a host twice as slow; ours costs exactly twice the baseline in each.
    noisy = report(
        *(sample("haproxy", number, cost) for number, cost in enumerate([40, 20, 20])),
        *(sample("reroute", number, cost) for number, cost in enumerate([80, 40, 40])),
    )
    base, ours = noisy.rows(SHAPE)
    assert (base.contender, base.ratio) == ("haproxy", pytest.approx(1.0))
    assert ours.ratio == pytest.approx(2.0)
    assert (ours.cpu_us, ours.cpu_us_min, ours.cpu_us_max) == pytest.approx((40, 40, 80))
    assert ours.requests_per_s == pytest.approx(500)


def test_one_who_died_in_mid_run_is_compared_by_the_rounds_that_it_lived_through() -> None:
    died = report(
        *(sample("haproxy", number, cost) for number, cost in enumerate([20, 40, 40])),
        sample("reroute", 0, 50),
    )
    ours = died.rows(SHAPE)[1]
    assert (ours.rounds, ours.ratio) == (1, pytest.approx(2.5))


def test_without_the_baseline_there_is_no_ratio() -> None:
    [row] = report(sample("reroute", 0, 50)).rows(SHAPE)
    assert row.ratio is None


def test_errors_add_up_and_samples_without_an_answer_have_no_cost() -> None:
    [row] = report(sample("reroute", 0, 50, errors=2), sample("reroute", 1, 50, errors=3)).rows(SHAPE)
    assert row.errors == 5
    assert usable([sample("reroute", 0, 0, requests=0, errors=9)]) == []


def test_the_json_holds_results_and_the_samples_that_they_come_from() -> None:
    told = json.loads(json.dumps(report(sample("haproxy", 0, 20), sample("reroute", 0, 50)).as_json()))
    assert told["schema"] == 1
    assert [(row["contender"], row["ratio"]) for row in told["results"]] == [("haproxy", 1.0), ("reroute", 2.5)]
    assert len(told["samples"]) == 2
    assert told["idle"]["reroute"]["held"] == 990


def test_the_table_fits_80_columns_and_says_what_went_wrong() -> None:
    samples = [sample(name, n, 123.4, errors=n) for name in ("haproxy", "reroute") for n in range(3)]
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        for table in tables(report(*samples)):
            console.print(table)
    text = capture.get()
    assert "…" not in text
    assert "123.4 (123–123)" in text
    assert "envoy    not installed: pip install it" in text
    assert "reroute  10 of 1,000 idle connections were dropped" in text
    assert "haproxy  3 requests failed over 64 connections, GET → 64 B" in text


def test_every_contender_fits_with_its_version_and_three_digits() -> None:
    samples = [sample(name, n, 123.4, requests=199_998) for name in ALL for n in range(3)]
    wide = report(*samples)
    wide.entrants[:] = [Entrant(name, "0.1.0") for name in ALL]
    wide.idle.update({name: Idle(1000, 1000, 32.2 * 1024) for name in ALL})
    console = Console(width=80, force_terminal=False)
    with console.capture() as capture:
        for table in tables(wide):
            console.print(table)
    text = capture.get()
    assert "…" not in text
    assert "reroute-mypyc 0.1.0" in text
    assert "99,999" in text


def test_the_page_stands_alone_and_escapes_what_it_was_told() -> None:
    html = page(report(sample("haproxy", 0, 20), sample("reroute", 0, 50)))
    assert "an &lt;odd&gt; one" in html
    assert "2.50 ×" in html
    assert "10 of 1,000 idle connections were dropped" in html
    assert "not installed: pip install it" in html
    assert "http://" not in html
    assert "<script" not in html
