from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from lb.core.backend import Backend
from lb.core.load_weights import LoadReport
from lb.probes.active_check import failure_name
from lb.probes.http_probe import parse_report
from lb.probes.scheduler import Prober, Report

A, B = Backend("a", "h", 1), Backend("b", "h", 2)
FOREVER = 3600.0


@dataclass
class Balancer:
    """Records probe results, and returns the waits that the test chooses."""

    backends: Sequence[Backend]
    wait: float = FOREVER
    verdicts: list[tuple[str, str, str]] = field(default_factory=list)
    loads: list[tuple[str, LoadReport]] = field(default_factory=list)

    def probed(
        self, backend: Backend, failure: str, took: float, now: float, name: str = "", unhealthy_response: bool = False
    ) -> float:
        self.verdicts.append((backend.id, failure, name))
        return self.wait

    def reported(self, backend: Backend, report: LoadReport, now: float) -> None:
        self.loads.append((backend.id, report))


class Probes:
    """Each probe waits until the test lets it end."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Future[Report]] = {}
        self.started: list[str] = []

    async def __call__(self, backend: Backend) -> Report:
        assert backend.id not in self.under_way, "a backend's probes must not overlap"
        self.started.append(backend.id)
        self.under_way[backend.id] = asyncio.get_running_loop().create_future()
        try:
            return await self.under_way[backend.id]
        finally:
            del self.under_way[backend.id]

    def end(self, backend_id: str, failure: str = "", name: str = "") -> None:
        self.under_way[backend_id].set_result(Report(failure, name=name))


class AtOnce(Random):
    def uniform(self, a: float, b: float) -> float:
        return 0.0


@asynccontextmanager
async def probing(balancer: Balancer, probes: Probes) -> AsyncIterator[Prober]:
    prober = Prober(balancer, probes, lambda: 0.0, AtOnce())
    running = asyncio.create_task(prober.run())
    await settle()
    yield prober
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def settle() -> None:
    """Let everything run that is ready to; nothing in these tests waits for real time."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_backends_are_probed_at_once_and_one_that_hangs_delays_nobody() -> None:
    balancer, probes = Balancer([A, B]), Probes()
    async with probing(balancer, probes):
        assert set(probes.under_way) == {"a", "b"}

        probes.end("b", name="api-2")
        await settle()

        assert balancer.verdicts == [("b", "", "api-2")]
        assert set(probes.under_way) == {"a"}


async def test_the_next_probe_starts_when_the_balancer_says() -> None:
    balancer, probes = Balancer([A], wait=0.0), Probes()
    async with probing(balancer, probes):
        probes.end("a", "timeout")
        await settle()

        assert probes.started == ["a", "a"]
        assert balancer.verdicts == [("a", "timeout", "")]


async def test_a_wanted_probe_interrupts_the_wait() -> None:
    balancer, probes = Balancer([A, B]), Probes()
    async with probing(balancer, probes) as prober:
        probes.end("a")
        probes.end("b")
        await settle()
        assert probes.under_way == {}

        prober.wake("b")
        await settle()

        assert set(probes.under_way) == {"b"}


async def test_a_probe_that_is_wanted_during_one_follows_it_at_once() -> None:
    balancer, probes = Balancer([A]), Probes()
    async with probing(balancer, probes) as prober:
        prober.wake("a")
        await settle()
        assert probes.started == ["a"], "no overlap"

        probes.end("a")
        await settle()

        assert probes.started == ["a", "a"]


async def test_membership_is_followed() -> None:
    balancer, probes = Balancer([A]), Probes()
    async with probing(balancer, probes) as prober:
        balancer.backends = [B]
        prober.sync()
        await settle()

        assert set(probes.under_way) == {"b"}


async def test_a_bug_in_a_probe_ends_the_prober_instead_of_blinding_it() -> None:
    async def broken(backend: Backend) -> Report:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(Prober(Balancer([A]), broken, lambda: 0.0, AtOnce()).run(), 5)

    assert raised.group_contains(ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(111, "refused"), "refused"),
        (ConnectionResetError(104, "reset"), "reset"),
        (OSError(113, "no route"), "unreachable"),
        (OSError("nothing more is known"), "unreachable"),
        (socket.gaierror(-2, "Name or service not known"), "unresolved"),
    ],
)
def test_a_failed_probe_in_one_word(error: OSError, expected: str) -> None:
    assert failure_name(error) == expected


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"status":"ok","instance":"api-1"}', "api-1"),
        (b'{"status":"ok"}', ""),
        (b"OK", ""),
        (b"[1]", ""),
        (b'{"instance":7}', ""),
        (b'{"instance":"a\\nb"}', ""),
        (b"\xff", ""),
        (b'{"instance":"' + b"x" * 200 + b'"}', ""),
    ],
)
def test_the_name_in_a_health_report(body: bytes, name: str) -> None:
    assert parse_report(body)[0] == name
