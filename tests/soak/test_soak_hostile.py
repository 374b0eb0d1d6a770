"""Every kind of hostile client at once: the balancer's memory stays bounded, and ordinary clients do not notice.

Runs with `--soak` only: `test_soak_hostile_docker.py` runs with every push. As in `test_soak_slow_clients.py`, a second
balancer that nobody attacks is what the first one is compared with.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys

import pytest

from tests.soak.test_soak_slow_clients import FACTOR, Ported, _backend, _balancer, _ordinary, _p99, _resident
from tests.support.lb_shell.balancer_process import BalancerProcess
from tests.support.open_files import more_open_files

SECONDS = {False: 10.0, True: 600.0}
SETTLE_S = 5.0
"""The attackers arrive together, and are served like anybody until they show what they are. Then they are measured."""
MEMORY = 256 * 1024 * 1024
"""What the balancer may have in a container that is given no more."""

pytestmark = [pytest.mark.alone, pytest.mark.long, pytest.mark.timeout(800)]


async def test_all_hostile_clients_at_once(soak: bool) -> None:
    with more_open_files(4000), _backend() as port:
        async with _balancer(port) as attacked, _balancer(port) as spared:
            await _ordinary(attacked, spared, seconds=2.0)  # first-time costs belong to nobody
            attackers = await _attack(attacked, SETTLE_S + SECONDS[soak] + 5.0)
            memory = asyncio.create_task(_most_memory(attacked))
            await _ordinary(attacked, spared, seconds=SETTLE_S)
            one, other = await _ordinary(attacked, spared, seconds=SECONDS[soak])
            memory.cancel()
            [most] = await asyncio.gather(memory)
            output, _ = await attackers.communicate()
    attacks = json.loads(output)
    print(json.dumps(attacks))  # noqa: T201
    print(f"p99 {_p99(one['took']) * 1e3:.2f} ms, {_p99(other['took']) * 1e3:.2f} ms beside it")  # noqa: T201
    print(f"memory {most // 1024} KiB")  # noqa: T201
    assert all(attack["connections"] for attack in attacks.values()), "every kind of attack was made"
    assert (one["failed"], other["failed"]) == ([], [])
    assert most <= MEMORY
    assert _p99(one["took"]) <= FACTOR * _p99(other["took"])
    assert statistics.median(one["took"]) <= FACTOR * statistics.median(other["took"])


async def _attack(balancer: Ported, seconds: float) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hostile_clients", str(seconds),
        str(balancer.port()), str(balancer.port("admin")), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))  # an attacker has a machine of its own
    return process


async def _most_memory(balancer: BalancerProcess) -> int:
    """The most bytes that the balancer had in memory until this is cancelled."""
    most = 0
    try:
        while True:
            most = max(most, _resident(balancer))
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return most
