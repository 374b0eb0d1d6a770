"""The pytest plugin as a user meets it: the example in a folder of its own, on plain processes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Cli
from tests.support.lab_example import run_example


def example(cli: Cli, *arguments: str) -> str:
    name, _, value = cli.mark.partition("=")
    return run_example(cli.folder, {**cli.environment, name: value}, *arguments)


def test_the_example_passes_and_leaves_its_reports_and_nothing_else(cli: Cli) -> None:
    told = example(cli)
    assert "3 passed" in told, told
    assert told.endswith("exit 0"), told
    assert len(list((cli.folder / "results").glob("*/report.html"))) >= 2
    cli.expect_nothing_left()


def test_a_balancer_that_does_not_reroute_fails_the_test_and_says_why(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("LAB_PASS_ENV", "PYTHONPATH")
    told = example(cli, "--lab-balancer", f"{sys.executable} -m tests.mutants never_ejects --", "-k", "freezes")
    assert "1 failed" in told, told
    assert "fail: reroute_within_bound: pause on api-1" in told
    assert "report.html" in told


def test_options_that_do_not_go_together_are_refused(cli: Cli) -> None:
    told = example(cli, "--lab-compose", "compose.yaml", "-k", "freezes")
    assert "--lab-compose is for --lab-runtime docker" in told
    told = example(cli, "--lab-balancer", "no-such-program", "-k", "freezes")
    assert "expected an executable program" in told
