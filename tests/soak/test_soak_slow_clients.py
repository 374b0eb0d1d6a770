"""slowhttptest's three attacks: slow heads, slow bodies, slow reads. Ordinary clients must not notice.

The host is shared, so absolute latencies mean nothing: windows with and without the attack alternate within one run,
each side is judged by the median of its windows' p99, and a few milliseconds are allowed on top of the factor, because
at a p99 of 2 ms one delayed time slice of a busy host is more than the factor.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import time

import pytest

from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.open_files import more_open_files
from tests.support.raw_http import Peer, Stub, value_of

FACTOR, SCHEDULER_S = 2.0, 0.005
ATTACKERS = 400
MEMORY = 32 * 1024 * 1024
"""For all attackers together: 80 KiB each, which is one buffer of 64 KiB and the connection itself."""
ROUNDS = {False: 2, True: 8}
WINDOW_S = 2.0
TRIES = 3
"""A neighbour's burst during an attack looks like its effect; an effect is there in every try."""
ATTACKS = {
    "slow heads": ["-H", "-i", "1"],
    "slow bodies": ["-B", "-i", "1", "-s", "100000"],
    "slow reads": ["-X", "-w", "64", "-y", "128", "-z", "8", "-n", "2", "-k", "1"],
}

pytestmark = pytest.mark.skipif(not shutil.which("slowhttptest"), reason="needs slowhttptest: apt install slowhttptest")


served: list[bytes] = []
"""Heads that the backend has answered. It shares this process with the clients, so its first burst must be over before
they are timed."""


async def large_and_small(peer: Peer) -> None:
    while True:
        head = await peer.head()
        if value_of(head, b"content-length"):
            await peer.ended()
        served.append(head)
        size = 2 if b"/small" in head else 256 * 1024
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", ATTACKS)
async def test_ordinary_clients_do_not_notice(attack: str, soak: bool) -> None:
    stub = Stub("api-1", large_and_small)
    await stub.start()
    with more_open_files(4 * ATTACKERS):
        async with running_balancer(
            LB_DISCOVERY__KIND="static",
            LB_DISCOVERY__BACKENDS=f"api-1=127.0.0.1:{stub.port}",
            LB_HEALTH__KIND="tcp",
            LB_LIMITS__CONNECTIONS_PER_CLIENT="20000",  # attackers and clients share loopback's address
        ) as balancer:
            await balancer.ready()
            await _p99(balancer)  # first-time costs belong to nobody
            before = _resident(balancer)
            grown = 0
            for _ in range(TRIES):
                quiet, attacked = [], []
                for _ in range(ROUNDS[soak]):
                    quiet.append(await _p99(balancer))
                    process = await _attack(balancer, ATTACKS[attack])
                    attacked.append(await _p99(balancer))
                    assert process.returncode is None, "the attack still runs"
                    grown = max(grown, _resident(balancer) - before)
                    process.terminate()
                    await process.wait()
                usual, slowed = statistics.median(quiet), statistics.median(attacked)
                print(f"{attack}: p99 {usual * 1000:.2f} → {slowed * 1000:.2f} ms, +{grown // 1024} KiB")  # noqa: T201
                if slowed <= FACTOR * usual + SCHEDULER_S:
                    break
    await stub.stop()
    assert slowed <= FACTOR * usual + SCHEDULER_S, f"in each of {TRIES} tries"
    assert grown < MEMORY


async def _attack(balancer: BalancerProcess, how: list[str]) -> asyncio.subprocess.Process:
    """Start it, and wait until its connections are there."""
    process = await asyncio.create_subprocess_exec(
        "slowhttptest", *how, "-c", str(ATTACKERS), "-r", str(ATTACKERS), "-l", "20", "-u", f"{balancer.traffic}/large",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 15
    while await _connections(balancer) < ATTACKERS * 0.9:
        assert time.monotonic() < deadline, "the attack does not get its connections"
        await asyncio.sleep(0.05)
    last = -1
    while last != len(served):
        assert time.monotonic() < deadline, "the attack's first burst does not end"
        last = len(served)
        await asyncio.sleep(0.5)
    return process


async def _connections(balancer: BalancerProcess) -> float:
    async with balancer.client.get(f"{balancer.admin}/metrics") as answer:
        for line in (await answer.text()).splitlines():
            if line.startswith("lb_client_connections "):
                return float(line.split()[1])
    raise AssertionError("no lb_client_connections")


async def _p99(balancer: BalancerProcess) -> float:
    """Seconds, of GETs at 100 a second for one window."""
    took: list[float] = []

    async def one() -> None:
        started = time.monotonic()
        async with balancer.client.get(f"{balancer.traffic}/small") as answer:
            assert answer.status == 200
            await answer.read()
        took.append(time.monotonic() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(round(WINDOW_S * 100)):
            group.create_task(one())
            await asyncio.sleep(0.01)
    return statistics.quantiles(took, n=100)[98]


def _resident(balancer: BalancerProcess) -> int:
    with open(f"/proc/{balancer.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))
