"""The keep-alive race: replicas close idle connections at the very moment at which the pool does, or takes them."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.support.api.replica_process import running_replica
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer

KEEP_ALIVE_S = 1
"""Of uvicorn and of the pool alike: the worst there is, and what our defaults (75 s and 30 s) avoid."""
SECONDS = {False: 12.0, True: 600.0}
CLIENTS = 40


@pytest.mark.alone
@pytest.mark.timeout(900)
async def test_no_idempotent_request_fails_at_the_boundary(soak: bool, tmp_path: Path) -> None:
    with (
        running_replica("api-1", tmp_path, API_KEEP_ALIVE=f"{KEEP_ALIVE_S}s") as first,
        running_replica("api-2", tmp_path, API_KEEP_ALIVE=f"{KEEP_ALIVE_S}s") as second,
    ):
        async with running_balancer(
            LB_DISCOVERY__KIND="static",
            LB_DISCOVERY__BACKENDS=f"api-1={first.address},api-2={second.address}",
            LB_LIMITS__UPSTREAM_IDLE=f"{KEEP_ALIVE_S}s",
            LB_HEALTH__INTERVAL="2s",
        ) as balancer:
            await balancer.ready()
            ends = time.monotonic() + SECONDS[soak]
            rng = random.Random(1)
            seen = await asyncio.gather(*[_client(balancer, rng, ends) for _ in range(CLIENTS)])

    outcomes = sum(seen, Counter())
    print(outcomes)  # noqa: T201 (the numbers of a soak)
    assert set(outcomes) == {"200"}, outcomes
    assert outcomes["200"] > CLIENTS * SECONDS[soak] / 2, "it was under load"


async def _client(balancer: BalancerProcess, rng: random.Random, ends: float) -> Counter[str]:
    """GETs, each after a pause of about the keep-alive time-out, so that what is in the pool is about to close."""
    outcomes: Counter[str] = Counter()
    while time.monotonic() < ends:
        try:
            async with balancer.client.get(f"{balancer.traffic}/whoami") as answer:
                await answer.read()
                outcomes[str(answer.status)] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            outcomes[repr(error)] += 1
        await asyncio.sleep(KEEP_ALIVE_S * rng.uniform(0.95, 1.05))
    return outcomes
