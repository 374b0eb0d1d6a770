"""`lab faults` as people use it, on a lab of local processes: what it shows, what it exits with, what it leaves."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.runtime.local_lab import LocalRuntime
from tests.e2e.conftest import Cli, spare_ports
from tests.support.lab_processes import eventually


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("lab"), spare_ports())
    up = cli.run("up", "--runtime", "local")
    assert up.code == 0, up
    yield cli
    cli.run("down", "--runtime", "local")
    cli.expect_nothing_left()


@pytest.fixture(autouse=True)
def healed_afterwards(lab: Cli) -> Iterator[None]:
    yield
    ask_chaos(lab, "POST", "/reset")


def ask_chaos(lab: Cli, method: str, path: str) -> Any:
    """Ask the chaos service itself: a command takes a second to start."""
    endpoints = LocalRuntime(lab.folder / ".lab").find()
    assert endpoints is not None
    token = {"Authorization": f"Bearer {endpoints.chaos_token}"}
    order = urllib.request.Request(endpoints.chaos + path, headers=token, method=method)
    with urllib.request.urlopen(order, timeout=20) as answer:
        return json.load(answer)


def faults(lab: Cli) -> list[dict[str, Any]]:
    return list(ask_chaos(lab, "GET", "/faults")["faults"])


def unhealed(lab: Cli) -> list[str]:
    return [fault["target"] for fault in faults(lab) if fault["state"] != "healed"]


def test_inject_stays_until_the_fault_is_healed(lab: Cli) -> None:
    began = time.monotonic()
    outcome = lab.run("faults", "inject", "pause", "api-1", "--duration", "2s")
    assert outcome.code == 0, outcome
    assert time.monotonic() - began >= 2
    assert "healed by expiry" in outcome.out
    assert unhealed(lab) == []


def test_ctrl_c_heals(lab: Cli) -> None:
    with lab.popen("faults", "inject", "pause", "api-1", "--duration", "60s") as process:
        eventually(lambda: unhealed(lab) == ["api-1"], 20, "the fault is in")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "interrupted; healed" in out
    assert unhealed(lab) == []


def test_one_order_for_several_and_the_same_choice_again(lab: Cli) -> None:
    order = ("faults", "inject", "pause", "--role", "api", "--random", "2", "--duration", "60s")
    first = lab.run(*order, "--seed", "7", "--json")
    assert first.code == 0, first
    chosen = [fault["target"] for fault in first.document["faults"]]
    assert len(chosen) == 2
    assert len({fault["order"] for fault in first.document["faults"]}) == 1
    ask_chaos(lab, "POST", "/reset")
    foreseen = lab.run(*order, "--seed", "7", "--dry-run", "--json")
    assert foreseen.document["targets"] == chosen
    assert unhealed(lab) == [], "a dry run does nothing"


@pytest.mark.parametrize(
    "arguments",
    [
        ("api-9",),
        ("--role", "db"),
        ("--role", "api"),
        ("--random", "9"),
        ("--percent", "0%"),
        ("api-1", "--seed", "3"),
        ("api-1", "--param", "delay=1s"),
        ("api-1", "--stop-when", "http://example.org/ status != 200"),
        ("api-1", "--stop-when", "http://127.0.0.1:1/ status != 200"),
    ],
    ids=" ".join,
)
def test_bad_arguments_exit_254_and_nothing_is_injected(lab: Cli, arguments: tuple[str, ...]) -> None:
    before = len(faults(lab))
    outcome = lab.run("faults", "inject", "pause", *arguments, "--duration", "5s")
    assert outcome.code == 254, outcome
    assert "Traceback" not in outcome.err
    assert len(faults(lab)) == before


def test_a_stop_condition_ends_the_fault(lab: Cli) -> None:
    """The balancer's own word on how many backends are usable: true soon after one is paused."""
    admin = lab.run("status", "--json").document["admin"]
    condition = f"{admin}/backends json:/backends/0/state != up"
    began = time.monotonic()
    outcome = lab.run("faults", "inject", "pause", "api-1", "--duration", "60s", "--stop-when", condition)
    assert outcome.code == 1, outcome
    assert time.monotonic() - began < 30
    assert "healed by stop_condition" in outcome.out


def test_faults_are_listed_and_healed(lab: Cli) -> None:
    with lab.popen("faults", "inject", "pause", "api-1", "--duration", "60s") as process:
        eventually(lambda: unhealed(lab) == ["api-1"], 20, "the fault is in")
        assert lab.run("faults", "list", "--json").document["faults"] == faults(lab)
        assert lab.run("faults", "heal", "--all").code == 0
        assert unhealed(lab) == []
        process.communicate(timeout=20)


def test_capabilities_name_the_mechanisms(lab: Cli) -> None:
    assert lab.run("faults", "capabilities", "--json").document["faults"]["delay"]["mechanism"] == "relay"
    assert "SIGKILL" in lab.run("faults", "capabilities").out


def test_a_monkey_is_planned_replayed_and_stopped(lab: Cli, tmp_path: Path) -> None:
    wish = ("--duration", "6s", "--rate", "1/s", "--fault", "pause:300ms-600ms", "--fault", "kill:300ms", "--seed", "5")
    planned = lab.run("faults", "monkey", "plan", *wish, "--json")
    assert planned.code == 0, planned
    assert planned.document == lab.run("faults", "monkey", "plan", *wish, "--json").document
    assert planned.document["steps"]
    file = tmp_path / "plan.json"
    file.write_text(planned.out)
    ended = lab.run("faults", "monkey", "replay", str(file), "--json")
    assert ended.code == 0, ended
    assert ended.document["state"] == "ended"
    assert ended.document["plan"] == planned.document
    done = [outcome["fault"] for outcome in ended.document["outcomes"] if outcome["fault"]]
    assert {fault["id"] for fault in faults(lab)} >= set(done) != set()
    assert unhealed(lab) == []

    long = ("--duration", "10min", "--rate", "5/s", "--fault", "pause:60s", "--detach", "--json")
    monkey = lab.run("faults", "monkey", "start", *long)
    assert monkey.code == 0, monkey
    eventually(lambda: len(unhealed(lab)) == 1, 20, "the monkey has begun")
    assert lab.run("faults", "monkey", "start", *long).code == 254, "one at a time"
    assert lab.run("faults", "monkey", "stop", "--all", "--json").document["stopped"] == [monkey.document["id"]]
    assert unhealed(lab) == []


def test_a_client_of_the_balancer_cannot_order_misbehaviour_and_the_fault_still_works(lab: Cli) -> None:
    site = f"http://127.0.0.1:{lab.environment['REROUTE_LB_PORT']}"

    def refused(**headers: str) -> int:
        order = urllib.request.Request(f"{site}/misbehave", b'{"mode":"unhealthy"}', headers, method="PUT")
        order.add_header("Content-Type", "application/json")
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(order, timeout=10)
        with raised.value as answer:
            return answer.code

    assert refused() == 401
    assert refused(Authorization="Bearer of-somebody-else") == 401
    outcome = lab.run("faults", "inject", "unhealthy", "api-1", "--duration", "2s")
    assert outcome.code == 0, outcome
    (fault,) = [each for each in faults(lab) if each["kind"] == "unhealthy"]
    assert fault["bit"] is True
