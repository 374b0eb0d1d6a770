"""What a fault does to a container's link, as a client beside the balancer sees it: on open connections and on new
ones, over IPv4 and IPv6, while it lasts and at its end."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from chaos.drivers.probe import Address, ask
from tests.support.chaos_client import ChaosClient
from tests.support.chaos_docker import DockerLab, build_image, docker_lab, engine
from tests.support.chaos_pooled import SILENCE_S, Pooled
from tests.support.chaos_waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.alone]  # delays and losses are measured

CALM = 0.97
"""Share of the round trips that no stall of the host (five jitters above the delay: never by chance) disturbed."""
VERSIONS = (4, 6)
DELAY_S, JITTER_S = 0.1, 0.02
SPREAD_S = {"uniform": JITTER_S / 3**0.5, "normal": JITTER_S}
"""Standard deviations: ± 20 ms evenly spread, and 20 ms."""
LASTS_S = 5.0
ENDS_WITHIN_S = 0.2
OPEN, TRIPS = 6, 25
"""Connections of each IP version and round trips on each: 150 for a mean (standard error 1.6 ms) and a spread (6 %)."""


class Lab:
    """Two targets and the chaos service."""

    def __init__(self, containers: DockerLab) -> None:
        self.containers = containers
        self.api = [containers.target(1), containers.target(2)]
        self.chaos = containers.service("chaos", "chaos", ports={"8082/tcp": ("127.0.0.1", None)})
        self.chaos.reload()
        self.url = "http://127.0.0.1:{}".format(self.chaos.ports["8082/tcp"][0]["HostPort"])

    def address(self, version: int = 4) -> Address:
        return self.containers.address(self.api[0], version)

    def seen_by_neighbour(self, script: str) -> bool:
        """Whether a Python expression works inside the other target."""
        return bool(self.api[1].exec_run(["python", "-c", script]).exit_code == 0)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    build_image(engine())
    for containers in docker_lab():
        yield Lab(containers)


@pytest.fixture
async def chaos(lab: Lab) -> AsyncIterator[ChaosClient]:
    async with ChaosClient(lab.url) as client:
        await client.ready()
        await eventually(lambda: ask(lab.address(), timeout_s=1.0), lambda answer: answer.ok, 20)
        yield client
        await client.call("POST", "/reset")


@pytest.fixture
def versions(lab: Lab) -> tuple[int, ...]:
    if not lab.address(6)[0]:
        pytest.skip("this host has no IPv6")
    return VERSIONS


# --- the table of docs/faults.md ---
@dataclass(frozen=True)
class Sight:
    """How a fault looks from a balancer."""

    kind: str
    pooled: str
    new: tuple[str, ...]
    resolves: bool
    answers_late: bool
    """The request that met silence is executed when the fault is over."""


NOBODY_THERE = ("connect_timeout", "unreachable")
TABLE = [
    Sight("pause", "silence", ("timeout",), resolves=True, answers_late=True),
    Sight("kill", "ended", NOBODY_THERE, resolves=False, answers_late=False),
    Sight("refuse", "reset when used", ("refused",), resolves=True, answers_late=False),
    Sight("blackhole", "silence", ("connect_timeout",), resolves=True, answers_late=True),
    Sight("disconnect", "silence", NOBODY_THERE, resolves=False, answers_late=True),
]


@pytest.mark.parametrize("sight", TABLE, ids=lambda sight: sight.kind)
async def test_what_each_way_of_silence_looks_like(chaos: ChaosClient, lab: Lab, sight: Sight) -> None:
    """These are different faults for a balancer: on a connection it keeps, on a new one, and by name."""
    address, name = lab.address(), lab.api[0].name
    by_name = f"import socket; socket.gethostbyname({name!r})"
    assert lab.seen_by_neighbour(by_name)
    pooled = await Pooled.to(address)
    record = await chaos.inject(sight.kind, "api-1", "30s")
    assert record["bit"] is True, record
    kept, fresh = await asyncio.gather(pooled.looks(), ask(address, timeout_s=SILENCE_S))
    resolves = await asyncio.to_thread(lab.seen_by_neighbour, by_name)
    assert (kept, fresh.failure in sight.new, resolves) == (sight.pooled, True, sight.resolves), fresh
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert await pooled.late_answer(3.0) is sight.answers_late
    assert lab.seen_by_neighbour(by_name)
    pooled.close()


@pytest.mark.parametrize(("kind", "pooled"), [("refuse", "reset when used"), ("blackhole", "silence")])
async def test_a_cut_is_the_same_over_ipv6(
    chaos: ChaosClient, lab: Lab, versions: tuple[int, ...], kind: str, pooled: str
) -> None:
    connections = [await Pooled.to(lab.address(version)) for version in versions]
    record = await chaos.inject(kind, "api-1", "30s")
    assert await asyncio.gather(*(each.looks() for each in connections)) == [pooled, pooled]
    fresh = [await ask(lab.address(version), timeout_s=SILENCE_S) for version in versions]
    assert fresh[0].failure == fresh[1].failure in ("refused", "connect_timeout")
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert all([(await ask(lab.address(version), timeout_s=1.0)).ok for version in versions])


async def test_a_partition_cuts_the_peer_over_ipv6_too(chaos: ChaosClient, lab: Lab, versions: tuple[int, ...]) -> None:
    connect = "import socket; socket.create_connection({!r}, 1)"
    scripts = [connect.format(lab.address(version)) for version in versions]
    assert all(map(lab.seen_by_neighbour, scripts))
    record = await chaos.inject("partition", "api-1", "20s", peer="api-2")
    assert not any(map(lab.seen_by_neighbour, scripts))
    assert all([(await ask(lab.address(version), timeout_s=1.0)).ok for version in versions]), "we are on neither side"
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert all(map(lab.seen_by_neighbour, scripts))


async def test_disconnect_gives_the_same_addresses_back(chaos: ChaosClient, lab: Lab) -> None:
    """The subnets of this network are configured, so Docker lets addresses be chosen."""
    before = [lab.address(version) for version in VERSIONS]
    record = await chaos.inject("disconnect", "api-1", "30s")
    assert record["bit"] is True, record
    await chaos.call("DELETE", f"/faults/{record['id']}")
    assert [lab.address(version) for version in VERSIONS] == before


async def test_disconnect_ends_with_another_address_where_the_old_one_was_taken(chaos: ChaosClient, lab: Lab) -> None:
    before = lab.address()
    record = await chaos.inject("disconnect", "api-1", "30s")
    labels = {"reroute.test": "taker"}
    taker = lab.containers.client.containers.create(lab.api[0].image.id, ["sleep", "60"], labels=labels)
    try:
        lab.containers.network.connect(taker, ipv4_address=before[0])
        taker.start()
        _, healed = await chaos.call("DELETE", f"/faults/{record['id']}")
    finally:
        taker.remove(force=True)
    assert healed["state"] == "healed", healed
    assert lab.address() != before
    assert (await ask(lab.address(), timeout_s=1.0)).ok


# --- delay ---
@dataclass
class Trip:
    """One round trip on an open connection, seconds on the monotonic clock."""

    began: float
    took: float


async def trips_until(pooled: Pooled, over: float) -> list[Trip]:
    """One after the other."""
    found = []
    while time.monotonic() < over:
        began = time.monotonic()
        found.append(Trip(began, await pooled.round_trip()))
    return found


@pytest.mark.parametrize("distribution", SPREAD_S)
async def test_a_jittered_delay_on_open_connections_is_as_asked_and_ends_in_time(
    chaos: ChaosClient, lab: Lab, versions: tuple[int, ...], distribution: str
) -> None:
    """100 ms ± 20 ms: the mean within 10 %, the spread within 25 %; over 200 ms after its end; on both IP versions."""
    connections = {version: [await Pooled.to(lab.address(version)) for _ in range(OPEN)] for version in versions}
    plain = {
        version: statistics.median([await opened[0].round_trip() for _ in range(20)])
        for version, opened in connections.items()
    }
    delay, jitter = f"{DELAY_S * 1000:g}ms", f"{JITTER_S * 1000:g}ms"
    record = await chaos.inject(
        "delay", "api-1", f"{LASTS_S:g}s", delay=delay, jitter=jitter, distribution=distribution
    )
    assert record["bit"] is True, record
    ends = record["injected_mono"] + LASTS_S  # one kernel, one monotonic clock
    fresh = [await ask(lab.address(version), timeout_s=1.0) for version in versions]
    everybody = [(version, pooled) for version, opened in connections.items() for pooled in opened]
    taken = await asyncio.gather(*(trips_until(pooled, ends + 0.5) for _, pooled in everybody))
    for _, pooled in everybody:
        pooled.close()
    for version in versions:
        trips = [trip for (which, _), found in zip(everybody, taken, strict=True) if which == version for trip in found]
        grown = [trip.took - plain[version] for trip in trips if trip.began < ends - 2 * DELAY_S]
        calm = [each for each in grown if each < DELAY_S + 5 * JITTER_S]
        assert len(calm) >= max(OPEN * TRIPS, CALM * len(grown)), f"IPv{version}: {len(calm)} of {len(grown)}"
        assert statistics.mean(calm) == pytest.approx(DELAY_S, rel=0.10), f"IPv{version}"
        assert statistics.stdev(calm) == pytest.approx(SPREAD_S[distribution], rel=0.25), f"IPv{version}"
    for (version, _), trips in zip(everybody, taken, strict=True):
        # The fastest: a busy host may hold any one of them up, the fault would hold up all.
        after = min(trip.took for trip in trips if trip.began > ends + ENDS_WITHIN_S)
        assert after < DELAY_S - 3 * JITTER_S, f"IPv{version}: not over in time"
    assert all(answer.ok and answer.took_s > 2 * (DELAY_S - 3 * JITTER_S) for answer in fresh), "a handshake pays too"
