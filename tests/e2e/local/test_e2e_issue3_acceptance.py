"""What the balancer's brain promises under fault, counted on real processes.

Three backends, 200 requests/s, checks of 500 ms / 400 ms / fall 2, as in every scenario of the lab. Every push runs
the two pauses; the library of scenarios, which it runs too, has the other faults under the lab's own checkers.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.e2e.conftest import Cli
from tests.support.lab_acceptance import SCENARIO, Run, read_run

pytestmark = pytest.mark.alone  # slow answers are counted

OFFERED = 200
"""Requests per second in every scenario here."""


def run(cli: Cli, scenario: str) -> Run:
    """Run it and read its files. A generator that was late makes the verdict unknown; the counts still count."""
    outcome = cli.run("run", scenario, "--runtime", "local", "--json")
    assert outcome.code in {0, 1, 2}, outcome
    return read_run(cli.newest_run())


def one_fault(cli: Cli, fault: str, request: str) -> Run:
    path = cli.folder / f"{fault}.yaml"
    path.write_text(SCENARIO.format(fault=fault, request=request))
    return run(cli, str(path))


@pytest.mark.long
def test_a_kill_fails_no_get(cli: Cli) -> None:
    found = one_fault(cli, "kill", "GET /work?sleep_ms=2")
    assert found.failed == 0
    assert found.verdict["faults"][0]["reroute_s"] <= 0.3


def test_a_pause_fails_no_get_and_slows_ten_at_most(cli: Cli) -> None:
    found = one_fault(cli, "pause", "GET /work?sleep_ms=2")
    assert found.failed == 0
    assert found.slow <= 10
    assert found.verdict["faults"][0]["reroute_s"] <= 0.3


def test_a_pause_executes_no_post_twice_and_gives_ten_up_at_most(cli: Cli) -> None:
    found = one_fault(cli, "pause", "POST /jobs")
    work = found.verdict["work"]
    assert (work["duplicated"], work["zombie"], work["lost"]) == (0, 0, 0)
    assert found.gave_up <= 10
    assert found.failed <= 10, "whatever else a client saw counts against the same ten"


@pytest.mark.long
def test_a_backend_that_fails_behind_green_checks_is_out_within_ten_requests(cli: Cli) -> None:
    found = run(cli, "lie")
    refused = [request for request in found.requests if request.status == 500]
    assert 0 < len(refused) <= 10
    assert [move["backend"] for move in found.moves("ejected")] == ["api-1"]
    assert found.failed == len(refused)


@pytest.mark.long
def test_a_delay_below_the_time_outs_ejects_nobody(cli: Cli) -> None:
    found = run(cli, "slow")
    assert found.moves("down", "ejected") == []
    assert (found.failed, found.slow) == (0, 0)


@pytest.mark.long
def test_a_total_outage_is_not_multiplied_and_its_end_brings_no_herd(cli: Cli) -> None:
    found = run(cli, "outage")
    begin = min(fault["injected_at"] for fault in found.verdict["faults"])
    healing = min(fault["heal_started_at"] for fault in found.verdict["faults"])
    outage = found.during(begin, healing)
    assert sum(len(request.tried) for request in outage) <= 1.2 * len(outage)

    back = min(found.moves("up"), key=lambda move: float(move["t"]) if move["t"] > healing else float("inf"))
    healed = min(fault["healed_at"] for fault in found.verdict["faults"])
    assert back["t"] - healed <= found.verdict["faults"][0]["readmit_bound_s"]
    # All traffic goes to the first one back until the second is; what would be too much is more than there is.
    for first_s in (0.1, 0.5):
        attempts = Counter(
            backend for request in found.during(back["t"], back["t"] + first_s) for backend in request.tried
        )
        assert attempts[back["backend"]] <= 1.2 * OFFERED * first_s + 1
