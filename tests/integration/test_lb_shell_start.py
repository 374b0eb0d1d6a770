"""What stops a start, and what follows the backends after one."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.lb_shell.balancer_process import balancer_environment, running_balancer


def run_to_the_end(*arguments: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "lb", *arguments],
        env=balancer_environment(environ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_bad_configuration_is_a_line_for_each_problem_and_exit_254(tmp_path: Path) -> None:
    path = tmp_path / "lb.yaml"
    path.write_text("discovery: {kind: static}\nhealth:\n  intervall: 1s\n  fall: 0\n")

    code, stderr = run_to_the_end("--config", str(path))

    assert code == 254
    assert stderr.splitlines() == [
        "lb: lb.yaml:4: health.fall: 0: should be greater than or equal to 1",
        "lb: lb.yaml:3: health.intervall: unknown key; did you mean 'interval'? allowed: assume_up, expect_body, "
        "expect_status, fall, fast_interval, "
        "flap_forget, flap_limit, headers, hold_down, interval, jitter, kind, max_hold_down, path, rise, start_phase, "
        "timeout",
    ]


def test_an_unknown_argument_is_one_line_and_exit_254() -> None:
    assert run_to_the_end("--confg", "x") == (254, "lb: unrecognized arguments: --confg x\n")


def test_a_missing_file_is_one_line_and_exit_254(tmp_path: Path) -> None:
    code, stderr = run_to_the_end("--config", str(tmp_path / "none.yaml"))

    assert (code, stderr) == (254, f"lb: {tmp_path}/none.yaml: cannot be read: No such file or directory\n")


def test_a_taken_port_is_one_line_and_exit_255() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for variable in ("LB_LISTEN", "LB_ADMIN__LISTEN"):
            code, stderr = run_to_the_end(**{variable: address})

            assert (code, stderr) == (255, f"lb: cannot listen on {address}: address already in use\n")


def test_check_only_checks() -> None:
    assert run_to_the_end("--check") == (0, "")


async def test_a_replaced_backend_file_is_followed_and_a_broken_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "backends.yaml"
    path.write_text("[{id: a, address: '127.0.0.1:9'}]")
    environ = {"LB_DISCOVERY__KIND": "file", "LB_DISCOVERY__PATH": str(path), "LB_DISCOVERY__INTERVAL": "50ms"}
    async with running_balancer(**environ) as balancer:
        ids = lambda answer: [one["id"] for one in answer["backends"]]  # noqa: E731 (used three times below)
        assert ids(await balancer.get("/backends")) == ["a"]

        path.write_text("[{id: a, address: '127.0.0.1:9'}, {id: b, address: '127.0.0.1:10'}]")
        await balancer.until("/backends", lambda answer: ids(answer) == ["a", "b"])
        path.write_text("[{id: a, adress: '127.0.0.1:9'}]")
        (tmp_path / "next").write_text("[{id: b, address: '127.0.0.1:10'}, {id: c, address: '127.0.0.1:11'}]")
        (tmp_path / "next").replace(path)
        await balancer.until("/backends", lambda answer: ids(answer) == ["b", "c"])

        balancer.signal(signal.SIGTERM)
        assert await balancer.wait() == 0


async def test_dns_finds_the_addresses_of_a_name() -> None:
    environ = {"LB_DISCOVERY__KIND": "dns", "LB_DISCOVERY__NAME": "localhost", "LB_DISCOVERY__PORT": "9"}
    async with running_balancer(**environ) as balancer:
        shown = await balancer.get("/backends")

        assert [one["id"] for one in shown["backends"]] == ["127.0.0.1:9"]
        assert (await balancer.get("/bounds"))["bounds"][0]["terms"]["D"] == 1.0
