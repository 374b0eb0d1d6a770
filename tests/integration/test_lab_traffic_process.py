"""The generator as the process it is, against a stub on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from lab.evidence.history import History, Outcome, read_history
from lab.scenario.plan import Plan
from tests.support.lab_plans import GET, traffic_only
from tests.support.lab_stub import Stub, stub_server

pytestmark = pytest.mark.alone  # lateness is what is measured

LEAD_S = 0.2


class Traffic:
    """A generator process with its history."""

    def __init__(self, process: Process, run_dir: Path) -> None:
        self.process = process
        self.run_dir = run_dir
        self.zero = 0.0

    @classmethod
    async def start(cls, plan: Plan, url: str, run_dir: Path) -> Traffic:
        plan.write(run_dir)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reroute_lab.lab.traffic", "--plan", str(run_dir / "plan.json"), "--target", url,
            "--history", str(run_dir / "history.jsonl"), "--run-id", "r1", stdin=PIPE, stdout=PIPE,
        )  # fmt: skip
        traffic = cls(process, run_dir)
        assert (await traffic.said())["type"] == "ready"
        return traffic

    async def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return dict(json.loads(await self.process.stdout.readline()))

    def go(self) -> None:
        assert self.process.stdin is not None
        self.zero = time.monotonic() + LEAD_S
        self.process.stdin.write(f"go {self.zero}\n".encode())

    async def until(self, t: float) -> None:
        await asyncio.sleep(max(0.0, self.zero + t - time.monotonic()))

    async def ended(self, within_s: float = 10.0) -> History:
        await asyncio.wait_for(self.process.communicate(), within_s)
        return read_history(self.run_dir / "history.jsonl")


async def test_a_stall_of_one_second_makes_everything_due_in_it_late_by_what_was_left_of_it(tmp_path: Path) -> None:
    """The test that closed-loop tools fail: they would report one late answer for each connection they hold."""
    stall_from, stall_until = 1.0, 2.0
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(3.0, mix=(GET,)), stub.url, tmp_path)
        traffic.go()
        await traffic.until(stall_from)
        stub.gate.clear()
        await traffic.until(stall_until)
        reopened = time.monotonic() - traffic.zero
        stub.gate.set()
        history = await traffic.ended()

    assert history.defects == ()
    assert len(history.requests) == 600
    # The gate closes a little late on a busy host, and 200 answers that leave at once take their time there.
    late = [each for each in history.requests if stall_from + 0.1 <= each.due <= stall_until - 0.1]
    assert len(late) == 161
    for request in late:
        waited = reopened - request.due
        assert request.latency is not None
        assert waited <= request.latency < waited + 0.3
    others = [each for each in history.requests if each.due < stall_from - 0.1 or each.due > stall_until + 0.5]
    assert sum((each.latency or 9.0) > 0.1 for each in others) < len(others) / 10


async def test_two_thousand_requests_a_second_leave_on_time(tmp_path: Path) -> None:
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(2.0, rate=2000.0, mix=(GET,)), stub.url, tmp_path)
        traffic.go()
        history = await traffic.ended()
    assert len(history.requests) == 4000
    assert all(each.outcome is Outcome.OK for each in history.requests)
    lags = sorted(each.lag for each in history.requests)
    # The median, not the 99th percentile: here the stub and other people's work share the generator's core.
    assert lags[len(lags) // 2] < 0.005
    assert lags[0] >= 0.0


async def test_what_the_balancer_says_about_a_request_is_in_the_history(tmp_path: Path) -> None:
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(0.2), stub.url, tmp_path)
        traffic.go()
        history = await traffic.ended()
    request = history.requests[0]
    assert (request.status, request.instance, request.backend) == (200, "stub", "b-1")
    assert request.tried == ("b-0", "b-1")


async def test_every_job_has_an_id_of_its_own_that_starts_with_the_run(tmp_path: Path) -> None:
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(1.0), stub.url, tmp_path)
        traffic.go()
        history = await traffic.ended()
        bodies = {head.split(b"\r\n\r\n")[1] for head in stub.heads if head.startswith(b"POST /jobs ")}
    keys = [each.key for each in history.requests if each.method == "POST"]
    assert len(keys) == len({*keys}) > 0
    assert bodies == {json.dumps({"id": key}).encode() for key in keys}
    assert all(key is not None and key.startswith("r1-") for key in keys)


def _refuse(stub: Stub) -> None:
    stub.url = "http://127.0.0.1:1"


def _fail(stub: Stub) -> None:
    stub.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nX-Lb-Error: overload\r\n\r\n"


def _hang(stub: Stub) -> None:
    stub.gate.clear()


def _cut(stub: Stub) -> None:
    stub.answer, stub.hang_up = b"", True


def _truncate(stub: Stub) -> None:
    stub.answer, stub.hang_up = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", True


def _garble(stub: Stub) -> None:
    stub.answer = b"SMTP 220 hello\r\n\r\n"


@pytest.mark.parametrize(
    ("trouble", "outcome", "error"),
    [
        (_refuse, Outcome.FAIL, "refused"),
        (_fail, Outcome.FAIL, "overload"),
        (_hang, Outcome.UNKNOWN, "timeout"),
        (_cut, Outcome.UNKNOWN, "closed"),
        (_truncate, Outcome.UNKNOWN, "truncated"),
        (_garble, Outcome.UNKNOWN, "bad_response"),
    ],
)
async def test_each_trouble_has_its_outcome_and_its_word(
    trouble: Any, outcome: Outcome, error: str, tmp_path: Path
) -> None:
    async with stub_server() as stub:
        trouble(stub)
        traffic = await Traffic.start(traffic_only(0.1, patience_s=0.3), stub.url, tmp_path)
        traffic.go()
        history = await traffic.ended()
        stub.gate.set()
    assert {(each.outcome, each.error) for each in history.requests} == {(outcome, error)}
    assert len(history.requests) == 20


async def test_the_invocation_is_on_disk_before_the_request_arrives(tmp_path: Path) -> None:
    async with stub_server() as stub:
        stub.gate.clear()
        traffic = await Traffic.start(traffic_only(1.0, rate=20.0), stub.url, tmp_path)
        traffic.go()
        await traffic.until(0.5)
        traffic.process.kill()
        arrived = len(stub.heads)
        history = await traffic.ended()
        stub.gate.set()
    assert len(history.requests) >= arrived > 0
    assert history.defects == ()
    assert all(each.outcome is None for each in history.requests)


@pytest.mark.parametrize("how", ["SIGTERM", "stop", "parent gone"])
async def test_it_stops_sending_and_waits_for_what_is_in_flight(how: str, tmp_path: Path) -> None:
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(60.0), stub.url, tmp_path)
        stub.gate.clear()
        traffic.go()
        await traffic.until(0.3)
        assert traffic.process.stdin is not None
        if how == "SIGTERM":
            os.kill(traffic.process.pid, signal.SIGTERM)
        elif how == "stop":
            traffic.process.stdin.write(b"stop\n")
        else:
            traffic.process.stdin.close()
        await traffic.until(0.5)
        stub.gate.set()
        history = await traffic.ended(within_s=5.0)
    assert traffic.process.returncode == 0
    assert 0 < len(history.requests) < 110
    assert all(each.outcome is Outcome.OK for each in history.requests)


async def test_fresh_connections_are_not_reused(tmp_path: Path) -> None:
    async with stub_server() as stub:
        traffic = await Traffic.start(traffic_only(0.2, keep_alive=False), stub.url, tmp_path)
        traffic.go()
        history = await traffic.ended()
        assert stub.connections == len(history.requests) == 40
        assert all(b"Connection: close" in head for head in stub.heads)


async def test_it_tells_its_parent_what_it_has_done(tmp_path: Path) -> None:
    async with stub_server() as stub:
        stub.gate.clear()
        traffic = await Traffic.start(traffic_only(0.4, slow_s=0.05), stub.url, tmp_path)
        traffic.go()
        waiting = await traffic.said()
        await traffic.until(0.5)
        stub.gate.set()
        while (last := await traffic.said())["type"] != "done":
            assert last["type"] == "counts"
        await traffic.ended()
    assert waiting["in_flight"] == waiting["sent"] > 0
    assert waiting["lag_max_s"] > 0.0
    assert (last["sent"], last["ok"], last["slow"], last["in_flight"]) == (80, 80, 80, 0)


async def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    """/dev/full is a disk without space: every write to it fails."""
    async with stub_server() as stub:
        (tmp_path / "history.jsonl").symlink_to("/dev/full")
        traffic = await Traffic.start(traffic_only(5.0), stub.url, tmp_path)
        traffic.go()
        await asyncio.wait_for(traffic.process.communicate(), 5.0)
        assert traffic.process.returncode == 255
        assert stub.heads == []


async def test_a_plan_that_does_not_exist_is_one_line_and_254(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reroute_lab.lab.traffic", "--plan", str(tmp_path / "no.json"), "--target", "http://127.0.0.1:1",
        "--history", str(tmp_path / "history.jsonl"), "--run-id", "r1", stdin=PIPE, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 254
    assert len(err.splitlines()) == 1
