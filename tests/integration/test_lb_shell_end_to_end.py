"""The whole balancer as a process in front of three replica processes."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.api.replica_process import ReplicaProcess, running_replica
from tests.support.lb_shell.balancer_process import BalancerProcess, running_balancer
from tests.support.lb_shell.eventually import eventually


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[ReplicaProcess]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_replica(f"api-{number}", tmp_path)) for number in (1, 2, 3)]


@pytest.fixture
async def balancer(replicas: list[ReplicaProcess]) -> AsyncIterator[BalancerProcess]:
    entries = ",".join(f"{replica.instance}={replica.address}" for replica in replicas)
    async with running_balancer(LB_DISCOVERY__KIND="static", LB_DISCOVERY__BACKENDS=entries) as running:
        await running.ready()
        yield running


@dataclass(slots=True)
class Traffic:
    """GETs at a steady rate until stopped; who answered, and what failed."""

    balancer: BalancerProcess
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _pending: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, interval_s: float = 0.01) -> None:
        while True:
            self._pending.add(asyncio.create_task(self._one()))
            await asyncio.sleep(interval_s)

    async def until(self, holds: Callable[[], bool]) -> None:
        async def seen() -> bool:
            return holds()

        assert await eventually(seen), f"answered {self.answered}, failed {self.failed}"

    async def finish(self) -> None:
        await asyncio.gather(*self._pending)

    async def _one(self) -> None:
        try:
            async with self.balancer.client.get(f"{self.balancer.traffic}/whoami") as answer:
                body = await answer.read()
                if answer.status == 200:
                    self.answered[answer.headers["X-Instance"]] += 1
                else:
                    self.failed.append(f"{answer.status} {dict(answer.headers)} {body!r}")
        except Exception as error:  # noqa: BLE001 (whatever a client sees is a failed request)
            self.failed.append(repr(error))


async def test_requests_are_spread_evenly_and_say_who_answered(balancer: BalancerProcess) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for _ in range(30):
        async with balancer.client.get(f"{balancer.traffic}/whoami") as answer:
            assert answer.status == 200
            seen[answer.headers["X-Backend"], answer.headers["X-Instance"]] += 1

    assert seen == {(name, name): 10 for name in ("api-1", "api-2", "api-3")}


async def test_a_killed_backend_is_down_within_its_bound_and_no_get_fails(
    balancer: BalancerProcess, replicas: list[ReplicaProcess], tmp_path: Path
) -> None:
    victim = replicas[1]
    kill = next(b for b in (await balancer.get("/bounds"))["bounds"] if b["fault"] == "kill")
    traffic = Traffic(balancer)
    load = asyncio.create_task(traffic.run())

    killed = (await balancer.get("/clock"))["mono"]
    victim.signal(signal.SIGKILL)
    down = await balancer.event(
        lambda e: e["type"] == "transition" and e["backend"] == "api-2" and e["new"] in ("down", "ejected")
    )
    # One tenth of slack: the test's own processes share two cores with the balancer that it measures.
    assert down["mono"] - killed <= kill["reroute_s"] + 0.1

    before = traffic.answered["api-2"]
    await balancer.until("/backends", lambda answer: answer["backends"][1]["state"] == "down")
    assert traffic.answered["api-2"] == before, "nobody is sent to a dead backend"

    with running_replica("api-2", tmp_path, port=victim.port):
        await balancer.until("/backends", lambda answer: answer["backends"][1]["state"] == "up")
        await traffic.until(lambda: traffic.answered["api-2"] > before)
        load.cancel()
        await traffic.finish()

    assert traffic.failed == []
    assert set(traffic.answered) == {"api-1", "api-2", "api-3"}


async def test_a_paused_backend_is_noticed_by_traffic_before_its_probes_would(
    balancer: BalancerProcess, replicas: list[ReplicaProcess]
) -> None:
    traffic = Traffic(balancer)
    load = asyncio.create_task(traffic.run())
    await traffic.until(lambda: traffic.answered.total() >= 60)
    pause = next(b for b in (await balancer.get("/bounds"))["bounds"] if b["fault"] == "pause")

    paused = (await balancer.get("/clock"))["mono"]
    replicas[0].signal(signal.SIGSTOP)
    suspected = await balancer.event(
        lambda e: e["type"] == "suspected" and e["backend"] == "api-1" and e["mono"] >= paused
    )
    await balancer.until("/backends", lambda answer: answer["backends"][0]["state"] != "up")
    replicas[0].signal(signal.SIGCONT)
    await balancer.until("/backends", lambda answer: answer["backends"][0]["state"] == "up")
    load.cancel()
    await traffic.finish()

    assert suspected["mono"] - paused <= pause["reroute_traffic_s"] + 0.1
    assert traffic.failed == []


async def test_metrics_and_backends_tell_the_same_story(balancer: BalancerProcess) -> None:
    for _ in range(9):
        async with balancer.client.get(f"{balancer.traffic}/health"):
            pass
    async with balancer.client.get(f"{balancer.admin}/metrics") as answer:
        text = await answer.text()

    for name in ("api-1", "api-2", "api-3"):
        assert f'lb_requests_total{{backend="{name}",method="GET",status="2xx"}} 3.0' in text
        assert f'lb_backend_state{{backend="{name}",state="up"}} 1.0' in text
    assert "lb_attempts_total 9.0" in text


async def test_a_drained_backend_gets_no_more_requests_until_it_is_back(balancer: BalancerProcess) -> None:
    status, shown = await balancer.call("PUT", "/backends/api-3", json={"state": "drain"})
    assert (status, shown["state"]) == (200, "drain")

    seen: set[str] = set()
    for _ in range(9):
        async with balancer.client.get(f"{balancer.traffic}/health") as answer:
            seen.add(answer.headers["X-Backend"])
    assert seen == {"api-1", "api-2"}

    await balancer.call("PUT", "/backends/api-3", json={"state": "up"})
    await balancer.until("/backends", lambda answer: answer["backends"][2]["state"] == "up")


async def test_sigterm_finishes_the_request_in_flight_and_exits_0(balancer: BalancerProcess) -> None:
    slow = asyncio.create_task(balancer.client.get(f"{balancer.traffic}/work?sleep_ms=700"))
    await balancer.until("/backends", lambda answer: any(one["in_flight"] for one in answer["backends"]))

    balancer.signal(signal.SIGTERM)

    async with await slow as answer:
        assert answer.status == 200
    assert await balancer.wait() == 0


async def test_a_second_sigterm_does_not_wait(balancer: BalancerProcess) -> None:
    slow = asyncio.create_task(balancer.client.get(f"{balancer.traffic}/stream?chunks=100&interval_ms=100"))
    await balancer.until("/backends", lambda answer: any(one["in_flight"] for one in answer["backends"]))

    balancer.signal(signal.SIGTERM)
    await asyncio.sleep(0)
    await balancer.event(lambda e: e["type"] == "added", timeout_s=5)  # still serving the admin API
    balancer.signal(signal.SIGTERM)

    # The stream alone would take 10 s, and so would the graceful stop.
    assert await balancer.wait(5) == 0
    slow.cancel()
