"""`lab run` on plain processes: the same scenarios, judged, with their files, and nothing left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
import time
from xml.etree import ElementTree

import pytest

from tests.e2e.conftest import Cli
from tests.support.lab_processes import eventually

# The generator must share a busy machine's cores with the lab under test. Its lateness makes a verdict `unknown`, by
# design; everything else that the run found must still be good.
LATE = {"generator_lag"}


def test_a_fault_is_rerouted_in_time_and_the_run_says_so(cli: Cli) -> None:
    outcome = cli.run("run", "pause", "--runtime", "local", "--seed", "1", "--json")
    assert outcome.code in {0, 2}, outcome
    [run] = outcome.document["runs"]
    assert {check["name"] for check in run["checks"] if check["verdict"] != "pass"} <= LATE, outcome

    folder = cli.newest_run()
    assert json.loads((folder / "verdict.json").read_text())["verdict"] == run["verdict"] == outcome.document["verdict"]
    [fault] = run["faults"]
    assert (fault["kind"], fault["bit"]) == ("pause", True)
    assert fault["reroute_s"] <= fault["bound_s"]
    assert fault["readmit_s"] <= fault["readmit_bound_s"]
    assert run["work"]["lost"] == run["work"]["duplicated"] == run["work"]["zombie"] == 0

    suite = ElementTree.parse(folder / "junit.xml").getroot()
    assert len(list(suite.iter("testcase"))) == len(run["checks"])
    for name in ("plan.json", "history.jsonl", "events.jsonl", "report.html"):
        assert (folder / name).stat().st_size > 0
    cli.expect_nothing_left()


def test_a_lab_that_is_up_is_used_and_left_up(cli: Cli) -> None:
    up = cli.run("up", "--runtime", "local", "--json")
    assert up.code == 0, up
    before = cli.processes()
    assert cli.run("up", "--runtime", "local", "--json").document == up.document, "the second one finds the first"
    status = cli.run("status", "--json").document
    assert {member["state"] for member in status["members"]} == {"running"}
    assert {member["role"] for member in status["members"]} == {"lb", "api", "chaos", "relay"}
    assert cli.processes() == before
    assert cli.run("down").code == 0
    cli.expect_nothing_left()
    assert cli.run("status").code == 255
    assert cli.run("down").code == 0, "nothing to stop is no error"


def test_faults_by_hand(cli: Cli) -> None:
    assert cli.run("up", "--runtime", "local").code == 0
    injected = cli.run("faults", "inject", "pause", "api-2", "--duration", "60s", "--json")
    assert injected.code == 0, injected
    listed = cli.run("faults", "list", "--json").document
    assert [fault["state"] for fault in listed["faults"]] == ["active"]
    assert cli.run("faults", "inject", "kill", "api-2", "--duration", "1s").code == 254, "one fault a target"
    assert cli.run("faults", "inject", "kill", "api-9", "--duration", "1s").code == 254
    assert cli.run("faults", "inject", "melt", "api-1", "--duration", "1s").code == 254
    assert cli.run("faults", "inject", "kill", "api-1", "--duration", "5").code == 254, "a duration has a unit"
    assert cli.run("faults", "heal", "--all", "--json").document["healed"] == [injected.document["id"]]
    assert cli.run("faults", "heal", "--all").code == 0


def test_a_taken_default_port_is_said_and_another_taken(cli: Cli) -> None:
    cli.environment = dict.fromkeys(cli.environment, "")
    try:
        blocker = socket.create_server(("127.0.0.1", 8080))
    except OSError:
        blocker = socket.socket()  # somebody else has it: that serves as well
    with blocker:
        outcome = cli.run("up", "--runtime", "local", "--json")
    assert outcome.code == 0, outcome
    assert "port 8080 (traffic) is in use: taking" in outcome.err
    assert not outcome.document["traffic"].endswith(":8080")


def test_a_taken_port_that_was_asked_for_stops_the_start(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as blocker:
        cli.environment["REROUTE_LB_PORT"] = str(blocker.getsockname()[1])
        outcome = cli.run("up", "--runtime", "local")
    assert outcome.code == 255, outcome
    assert "REROUTE_LB_PORT" in outcome.err
    assert "Traceback" not in outcome.err
    cli.expect_nothing_left()


def test_a_balancer_that_cannot_start_is_named_with_its_last_words(cli: Cli) -> None:
    cli.environment |= {"LB_HEALTH__INTERVAL": "soon", "LAB_PASS_ENV": "LB_HEALTH__INTERVAL"}
    outcome = cli.run("run", "kill", "--runtime", "local")
    assert outcome.code == 255, outcome
    assert "lb keeps exiting" in outcome.err
    assert "LB_HEALTH__INTERVAL" in outcome.err
    cli.expect_nothing_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_an_interruption_leaves_nothing(cli: Cli, number: signal.Signals, moment: str) -> None:
    delay_s = random.uniform(0.0, 1.5) if moment == "starting" else random.uniform(5.0, 12.0)
    with cli.popen("run", "pause", "--runtime", "local") as process:
        time.sleep(delay_s)  # a moment nobody chose is the point
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    # Before Python has got to the lab's first line, the signal ends the process itself.
    assert process.returncode in {130, -number}, f"after {delay_s:.2f} s:\n{err}"
    assert process.returncode < 0 or "Traceback" not in err, f"after {delay_s:.2f} s:\n{err}"
    cli.expect_nothing_left()


def test_the_command_killed_outright_leaves_nothing(cli: Cli) -> None:
    with cli.popen("run", "kill", "--runtime", "local") as process:
        eventually(
            lambda: any("-m reroute_lab.lb" in each for each in cli.processes().values()), 20, "the balancer runs"
        )
        process.kill()
    cli.expect_nothing_left()


def test_the_supervisor_killed_outright_leaves_nothing(cli: Cli) -> None:
    assert cli.run("up", "--runtime", "local").code == 0
    [supervisor] = [pid for pid, command in cli.processes().items() if "lab.runtime.supervisor" in command]
    os.kill(supervisor, signal.SIGKILL)
    cli.expect_nothing_left()
    assert cli.run("status").code == 255, "a state file without its supervisor counts for nothing"


def test_the_chaos_service_killed_in_the_middle_of_a_fault(cli: Cli) -> None:
    assert cli.run("up", "--runtime", "local").code == 0
    duration_s = 3.0
    assert cli.run("faults", "inject", "pause", "api-1", "--duration", f"{duration_s:g}s", "--detach").code == 0
    began = time.monotonic()
    [chaos] = [pid for pid, command in cli.processes().items() if command.endswith("-m reroute_lab.chaos")]
    os.kill(chaos, signal.SIGKILL)

    def healed() -> bool:
        listed = cli.run("faults", "list", "--json")
        return listed.code == 0 and all(fault["state"] == "healed" for fault in listed.document["faults"])

    eventually(healed, duration_s + 5.0 - (time.monotonic() - began) + 1.5, "the fault is healed")  # + one CLI start


def own_balancer(cli: Cli, text: str) -> str:
    """A command that starts our balancer after these lines of a shell's."""
    script = cli.folder / "own.sh"
    script.write_text(f'{text}\nexec "{sys.executable}" -m reroute_lab.lb "$@"\n')
    return f"sh {script}"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_a_balancer_of_ones_own_stays_inside(cli: Cli) -> None:
    outside = cli.folder / "outside"
    alone = "import socket, sys; sys.exit([name for _, name in socket.if_nameindex()] != ['lo'])"
    command = own_balancer(cli, f'echo a > {outside}\n"{sys.executable}" -c "{alone}" || exit 9')
    outcome = cli.run("run", "kill", "--runtime", "local", "--seed", "1", "--balancer-cmd", command, "--json")
    if "in this machine's network" in outcome.err:
        pytest.skip(outcome.err)
    assert outcome.code in {0, 2}, outcome
    [run] = outcome.document["runs"]
    assert {check["name"] for check in run["checks"] if check["verdict"] != "pass"} <= LATE, outcome
    assert not outside.exists()
    cli.expect_nothing_left()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's tables are read from Linux' /proc")
def test_a_balancer_of_ones_own_that_listens_beyond_loopback_does_not_come_up(cli: Cli) -> None:
    command = own_balancer(cli, "export LB_LISTEN=0.0.0.0:0")
    outcome = cli.run("up", "--runtime", "local", "--balancer-cmd", command)
    assert outcome.code == 255, outcome
    assert "lb was ended: it listens on 0.0.0.0:" in outcome.err
    assert "your balancer runs in this machine's network" in outcome.out
    cli.expect_nothing_left()
